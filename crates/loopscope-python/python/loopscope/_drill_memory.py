"""Memory for drills: how much there is, and pieces of it that can be given back."""

import mmap
from typing import Optional

_MIB = 1024 * 1024


def one_mib() -> mmap.mmap:
    """Pages of its own, so that giving them back gives them to the system."""
    piece = mmap.mmap(-1, _MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for offset in range(0, _MIB, mmap.PAGESIZE):
        piece[offset] = 1
    return piece


def resident_mib() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE // _MIB


def available_mib() -> Optional[int]:
    """What the host has left, and what the process's own group has left of its limit, whichever is less."""
    rooms = [_meminfo("MemAvailable:")]
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        most, now = _number_in(limit), _number_in(used)
        if most is not None and now is not None:
            rooms.append(max(most - now, 0) // _MIB)
    return min((room for room in rooms if room is not None), default=None)


def _meminfo(name: str) -> Optional[int]:
    try:
        with open("/proc/meminfo") as lines:
            return next((int(line.split()[1]) // 1024 for line in lines if line.startswith(name)), None)
    except (OSError, ValueError):
        return None


def _number_in(path: str) -> Optional[int]:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
