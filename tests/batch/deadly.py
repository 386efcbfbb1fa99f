"""The warm process with a case that kills it."""

import os
import signal

from hemo.batch import warm

_compute = warm.compute


def compute(folder, item):
    """As ever, but for one case."""
    if item["id"] == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    if item["id"] == "hungry":
        raise_memory_error()
    return _compute(folder, item)


def raise_memory_error():
    raise MemoryError


if __name__ == "__main__":
    warm.compute = compute
    warm.main()
