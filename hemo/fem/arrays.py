"""Dataclasses of arrays within an npz file: each field under the dataclass's name and its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def packed(name: str, item: Any) -> dict[str, Any]:
    """``NAME_FIELD`` -> value for every field of a dataclass that is not None; nothing where ``item`` is None."""
    if item is None:
        return {}
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    return {f"{name}_{field}": value for field, value in values.items() if value is not None}


def unpacked(name: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Field -> value of what was packed under a name; empty where nothing was."""
    return {key.removeprefix(f"{name}_"): arrays[key] for key in arrays if key.startswith(f"{name}_")}
