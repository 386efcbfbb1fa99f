"""The result folder: whole or not there.

Work happens in ``OUT.partial`` under a lock; ``OUT`` appears by rename when everything is written. A run that
was interrupted or did not converge leaves ``OUT.partial`` behind; the same command with the same input
continues in it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hemo.errors import InputError

FINGERPRINT = "inputs.json"


def partial_path(out: Path) -> Path:
    """``OUT.partial`` beside ``OUT``."""
    return out.with_name(out.name + ".partial")


@contextmanager
def working_folder(out: Path, fingerprint: Mapping[str, str], fresh: bool) -> Iterator[Path]:
    """Give the folder to work in, locked, and rename it to ``out`` when the block ends without an error.

    Parameters
    ----------
    out
        The result folder; must not exist.
    fingerprint
        Hashes of everything the result depends on; a partial folder with others is not continued.
    fresh
        Discard a partial folder first.

    Raises
    ------
    InputError
        If ``out`` exists, the partial folder belongs to other input or another run, or the disk refuses.
    """
    from filelock import FileLock, Timeout

    if out.exists():
        raise InputError(f"{out}: the result folder exists already; choose another with --out or remove it.")
    work = partial_path(out)
    # The lock lies beside the folder, so that discarding the folder does not discard the lock.
    lock_path = out.with_name("." + out.name + ".lock")
    with _disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"{work}: another hemo run is working there; wait for it or choose another --out."
            ) from error
        try:
            created = _prepare(work, fingerprint, fresh)
            try:
                yield work
            except (InputError, OSError):
                if created:  # bad input and a full disk leave nothing half-written
                    shutil.rmtree(work, ignore_errors=True)
                raise
            _finish(work, out)
        finally:
            lock.release()
            lock_path.unlink(missing_ok=True)


def _prepare(work: Path, fingerprint: Mapping[str, str], fresh: bool) -> bool:
    """Make the folder, or check that the one there belongs to this input; True if it was made."""
    if fresh and work.exists():
        shutil.rmtree(work)
    record = work / FINGERPRINT
    if work.exists():
        known = json.loads(record.read_text()) if record.is_file() else None
        if known != dict(fingerprint):
            raise InputError(f"{work}: holds an unfinished run with other input or options; add --fresh to discard it.")
        return False
    work.mkdir()
    try:
        record.write_text(json.dumps(dict(fingerprint), indent=1))
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return True


def _finish(work: Path, out: Path) -> None:
    """Drop the scratch files and let the result appear whole."""
    shutil.rmtree(work / "work", ignore_errors=True)
    (work / FINGERPRINT).unlink(missing_ok=True)
    try:
        os.rename(work, out)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise InputError(f"{out}: appeared while the run was going on; the result stays in {work}.") from error
        raise


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    """Turn what a full or read-only disk raises into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(f"{out}: the disk is full; free some space and run the same command again.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(f"{out}: cannot be written ({error.strerror}); choose another --out.") from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise InputError(f"{out}: a part of this path is a file, not a folder; choose another --out.") from error
        raise
