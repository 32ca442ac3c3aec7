"""How many processors there are to work with."""

import os


def cores() -> int:
    """Returns the number of processors that this process may use; all of the machine's where it can't be told."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
