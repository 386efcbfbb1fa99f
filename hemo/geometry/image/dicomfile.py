"""What every reader of DICOM files needs: whether it is one, what it holds by name, and no word of the patient.

pydicom's warnings and errors quote what they read, and so may name the patient: :func:`readable` ends them here.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hemo.errors import HemoError, InputError


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do (PS3.10, 7.1)."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Whatever pydicom stumbles over is a damaged file; its warnings and errors quote the file, so they end here."""
    from pydicom.config import disable_value_validation

    told = logging.getLogger("pydicom")
    level = told.level
    told.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        try:
            yield
        except (HemoError, MemoryError, ModuleNotFoundError):
            raise
        except Exception:
            raise InputError(
                f"{where}: cannot be read: this DICOM file is cut short or damaged; export it again."
            ) from None
        finally:
            told.setLevel(level)


def class_name(uid: str) -> str:
    """What the standard calls a UID, and nothing but that: a damaged element may hold the patient's name."""
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    known = UID(uid, validation_mode=IGNORE).name if re.fullmatch(r"[0-9.]{1,64}", uid) else uid
    return known.removesuffix(" Storage") if known != uid else "of no known kind"


def decodable(syntax: Any) -> bool:
    """Whether pydicom can decode frames of a transfer syntax with what is installed."""
    from pydicom.pixels import get_decoder

    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False
