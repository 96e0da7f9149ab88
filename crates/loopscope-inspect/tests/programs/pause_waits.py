"""Waits once in the way that its argument names, and tells how that ended: `done`, or the error's name."""

import ctypes
import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

SECONDS = 0.6

libc = ctypes.CDLL(None, use_errno=True)
# Numbers of 64-bit x86.
FUTEX, SEMTIMEDOP, IO_SETUP, IO_GETEVENTS = 202, 220, 206, 208


def timespec():
    return ctypes.byref((ctypes.c_long * 2)(0, int(SECONDS * 1e9)))


def outcome(returned):
    return "done" if returned >= 0 else errno.errorcode[ctypes.get_errno()]


def python_sleep():
    time.sleep(SECONDS)
    return "done"


def python_epoll():
    return "done" if select.epoll().poll(SECONDS) == [] else "early"


def python_select():
    return "done" if select.select([], [], [], SECONDS) == ([], [], []) else "early"


def python_lock():
    lock = threading.Lock()
    lock.acquire()
    return "early" if lock.acquire(timeout=SECONDS) else "done"


def python_recv():
    reader, _writer = socket.socketpair()
    reader.settimeout(SECONDS)
    try:
        reader.recv(1)
    except TimeoutError:
        return "done"
    except socket.timeout:
        return "done"
    return "early"


def later(action):
    timer = threading.Timer(SECONDS, action)
    timer.daemon = True
    timer.start()


def nanosleep():
    return outcome(libc.nanosleep(timespec(), None))


def poll():
    return outcome(libc.poll(None, 0, int(SECONDS * 1000)))


def ppoll():
    mask = (ctypes.c_ulong * 16)()
    return outcome(libc.ppoll(None, 0, timespec(), mask))


def futex():
    word = ctypes.c_int(7)
    returned = libc.syscall(FUTEX, ctypes.byref(word), 128, 7, timespec(), None, 0)
    ended = outcome(returned)
    return "done" if ended == "ETIMEDOUT" else ended


def read_pipe():
    reader, writer = os.pipe()
    later(lambda: os.write(writer, b"x"))
    return outcome(libc.read(reader, ctypes.create_string_buffer(1), 1))


def recv():
    reader, writer = socket.socketpair()
    later(lambda: writer.send(b"x"))
    return outcome(libc.recv(reader.fileno(), ctypes.create_string_buffer(1), 1, 0))


def accept():
    listener = socket.create_server(("127.0.0.1", 0))
    later(lambda: socket.create_connection(listener.getsockname()))
    return outcome(libc.accept(listener.fileno(), None, None))


def wait_child():
    child = os.fork()
    if child == 0:
        time.sleep(SECONDS)
        os._exit(0)
    return outcome(libc.wait4(child, None, 0, None))


def sigsuspend():
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    later(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    mask = (ctypes.c_ulong * 16)()
    returned = libc.sigsuspend(mask)
    # Its only way to end is by a handler that ran.
    return "done" if outcome(returned) == "EINTR" else "early"


def epoll_wait():
    poller = select.epoll()
    events = ctypes.create_string_buffer(12)
    return outcome(libc.epoll_wait(poller.fileno(), events, 1, int(SECONDS * 1000)))


def recv_timeout():
    reader, _writer = socket.socketpair()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(SECONDS * 1e6)))
    ended = outcome(libc.recv(reader.fileno(), ctypes.create_string_buffer(1), 1, 0))
    return "done" if ended == "EAGAIN" else ended


def sigtimedwait():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    mask = (ctypes.c_ulong * 16)(1 << (signal.SIGUSR2 - 1))
    ended = outcome(libc.sigtimedwait(mask, None, timespec()))
    return "done" if ended == "EAGAIN" else ended


def semop():
    group = libc.semget(0, 1, 0o600)
    try:
        operation = struct.pack("HhH", 0, -1, 0)
        ended = outcome(libc.syscall(SEMTIMEDOP, group, operation, 1, timespec()))
        return "done" if ended == "EAGAIN" else ended
    finally:
        libc.semctl(group, 0, 0)


def io_getevents():
    context = ctypes.c_ulong(0)
    libc.syscall(IO_SETUP, 1, ctypes.byref(context))
    events = ctypes.create_string_buffer(32)
    return outcome(libc.syscall(IO_GETEVENTS, context, 1, 1, events, timespec()))


wait = globals()[sys.argv[1]]
# The first call of a function looks it up, which takes its time.
libc.poll(None, 0, 0)
print("ready", flush=True)
started = time.monotonic()
ended = wait()
took = time.monotonic() - started
print(ended if ended != "done" or took > SECONDS * 0.99 else f"early: {took}", flush=True)
sys.stdin.read()
