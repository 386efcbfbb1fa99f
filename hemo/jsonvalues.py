"""Values taken from JSON, each checked, with one sentence that says where what is wrong stands; results as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError


def known_keys(data: Any, known: set[str], where: str) -> None:
    """Refuse what is no object, or has a key that is not known; raises InputError."""
    if not isinstance(data, dict):
        raise InputError(f"{where}: a JSON object is needed here.")
    unknown = sorted(set(data) - known)
    if unknown:
        raise InputError(f"{where}: the key {unknown[0]!r} is unknown; known are {', '.join(sorted(known))}.")


def filled_list(data: Mapping[str, Any], key: str, where: str) -> list[Any]:
    """A list with one entry at least; raises InputError."""
    value = data.get(key)
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: {key} must be a list with at least one entry.")
    return value


def numbers(data: Mapping[str, Any], key: str, where: str) -> NDArray[np.float64]:
    """A list of finite numbers, or of rows of them; raises InputError."""
    try:
        values = np.asarray(data[key], dtype=np.float64)
    except KeyError as error:
        raise InputError(f"{where}: the key {key!r} is missing.") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: {key} must hold numbers only, all rows of one length.") from error
    if values.ndim == 0 or not np.all(np.isfinite(values)):
        raise InputError(f"{where}: {key} must be a list of finite numbers.")
    return values


def number(data: Mapping[str, Any], key: str, where: str, default: float | None = None) -> float:
    """A finite number, or the default where the key is missing; raises InputError."""
    value = data.get(key, default)
    try:
        found = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan
    except OverflowError:
        found = np.inf
    if not np.isfinite(found):
        raise InputError(f"{where}: {key} must be a finite number.")
    return found


def as_json(value: Any, told: Callable[[Any], Any] = lambda value: value) -> Any:
    """Results as JSON values: dataclasses as objects, arrays as lists, NaN and infinity as null.

    ``told`` may put something else in the place of any value within.
    """
    value = told(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name), told) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item, told) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(item, told) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
