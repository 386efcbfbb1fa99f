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
def working_folder(out: Path, fingerprint: Mapping[str, str], fresh: bool, patience: float = 0.0) -> Iterator[Path]:
    """Give the folder to work in, locked, and rename it to ``out`` when the block ends without an error.

    Parameters
    ----------
    out
        The result folder; must not exist.
    fingerprint
        Hashes of everything the result depends on; a partial folder with others is not continued.
    fresh
        Discard a partial folder first.
    patience
        How long to wait for another run that is working there, s; negative: until it is done.

    Raises
    ------
    InputError
        If ``out`` exists, the partial folder belongs to other input or another run, or the disk refuses.
    """
    with locked(out, patience):
        work = partial_path(out)
        created = _prepare(work, fingerprint, fresh)
        try:
            yield work
        except (InputError, OSError):
            if created:  # bad input and a full disk leave nothing half-written
                shutil.rmtree(work, ignore_errors=True)
            raise
        _finish(work, out)


@contextmanager
def locked(out: Path, patience: float = 0.0, may_exist: bool = False) -> Iterator[Path]:
    """Hold the lock of a result folder, whose parents are made, and say in a sentence what the disk refuses.

    Gives the lock's file. ``may_exist``: the folder may be there already.

    Raises
    ------
    InputError
        If ``out`` exists, another run holds the lock for longer than ``patience`` (s), or the disk refuses.
    """
    from filelock import FileLock, Timeout

    _refuse_existing(out, may_exist)
    # The lock lies beside the folder, so that discarding the folder does not discard the lock.
    lock_path = out.with_name("." + out.name + ".lock")
    with _disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_path, timeout=patience)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"{partial_path(out)}: another hemo run is working there; wait for it or choose another --out."
            ) from error
        try:
            _refuse_existing(out, may_exist)  # the other run may have made it meanwhile
            yield lock_path
        finally:
            lock_path.unlink(missing_ok=True)  # before it is free: who waits then sees that the file is another
            lock.release()


def _refuse_existing(out: Path, may_exist: bool) -> None:
    if out.exists() and not may_exist:
        raise InputError(f"{out}: the result folder exists already; choose another with --out or remove it.")


def _prepare(work: Path, fingerprint: Mapping[str, str], fresh: bool) -> bool:
    """Make the folder, or check that the one there belongs to this input; True if it was made."""
    if work.exists() and (fresh or _stillborn(work)):
        shutil.rmtree(work)
    record = work / FINGERPRINT
    if work.exists():
        if _fingerprint(record) != dict(fingerprint):
            raise InputError(f"{work}: holds an unfinished run with other input or options; add --fresh to discard it.")
        return False
    work.mkdir()
    try:
        record.write_text(json.dumps(dict(fingerprint), indent=1))
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return True


def _fingerprint(record: Path) -> dict[str, str] | None:
    """What a partial folder was made for; None where that was not written, or only in part."""
    try:
        return dict(json.loads(record.read_text()))
    except (OSError, ValueError):
        return None


def _stillborn(work: Path) -> bool:
    """Whether its run was killed before it wrote anything but, in part, what it was for."""
    return all(item.name == FINGERPRINT for item in work.iterdir()) and _fingerprint(work / FINGERPRINT) is None


def _finish(work: Path, out: Path) -> None:
    """Drop the scratch files and let the result appear whole."""
    shutil.rmtree(work / "work", ignore_errors=True)
    try:
        os.rename(work, out)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise InputError(f"{out}: appeared while the run was going on; the result stays in {work}.") from error
        raise
    (out / FINGERPRINT).unlink(missing_ok=True)  # last: a run that is killed before the rename can still go on


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
