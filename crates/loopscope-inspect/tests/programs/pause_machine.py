"""Runs instructions of 64-bit x86 that a careless stop breaks, and counts how often at an address it tells.

With `vectors` it holds a value in a vector register and ends when that is another; with `sequence` it
stays in a restartable sequence, and counts at a second address how often the kernel made it begin anew.
"""

import ctypes
import mmap
import struct
import sys

VECTORS = bytes.fromhex(
    "c57e6f3f"  # vmovdqu ymm15, [rdi]
    "48ff06"  # 1: inc qword ptr [rsi]
    "c585ef07"  # vpxor ymm0, ymm15, [rdi]
    "c4e27d17c0"  # vptest ymm0, ymm0
    "74f2"  # jz 1b
    "c5f877"  # vzeroupper
    "c3"  # ret
)
SEQUENCE = bytes.fromhex(
    "488917"  # 1: mov [rdi], rdx
    "48ff06"  # 2: inc qword ptr [rsi]
    "ebfb"  # jmp 2b
    "53300553"  # the mark in front of where a sequence begins anew
    "48ff4608"  # inc qword ptr [rsi + 8]
    "ebee"  # jmp 1b
)

libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
data = start + 2048
counters = (ctypes.c_uint64 * 2)()
is_sequence = "sequence" in sys.argv
memory.write(SEQUENCE if is_sequence else VECTORS)
memory.seek(data - start)
first = data
if is_sequence:
    # Version and flags, first instruction, length, where to begin anew.
    memory.write(struct.pack("IIQQQ", 0, 0, start + 3, 5, start + 12))
    libc.pthread_self.restype = ctypes.c_uint64
    offset = ctypes.c_ssize_t.in_dll(libc, "__rseq_offset").value
    first = libc.pthread_self() + offset + 8
else:
    memory.write(bytes(range(1, 33)))
run = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64)(start)
print("ready", ctypes.addressof(counters), ctypes.addressof(counters) + 8, flush=True)
run(first, ctypes.addressof(counters), data)
print("another value", flush=True)
