"""How many processor cores there are to use: in a container often fewer than the machine has."""

import os
from contextlib import suppress
from pathlib import Path

#: What a container may use, "<microseconds> <of so many>" or "max <…>" (cgroup v2).
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than its quota."""
    every = range(os.cpu_count() or 1)
    bound = len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else every)
    with suppress(OSError, ValueError):  # no such file, or no limit
        used, of = map(int, QUOTA.read_text().split())
        return max(1, min(bound, used // of))
    return bound
