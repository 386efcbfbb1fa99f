"""Files that a person declares something in, as TOML: read once, and refused in one sentence that names the key."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hemo.errors import InputError


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The document of a TOML file; ``what`` names such files in a sentence, as "case file".

    Raises
    ------
    InputError
        If the file is missing, is no text or is no TOML.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file; a {what} is TOML.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the {what} ({error.strerror}); check the path.") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML ({error}); correct that place.") from error


def problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every complaint of pydantic about a document of ``model``, as one plain sentence naming the key."""
    return list(dict.fromkeys(_sentence(item, model) for item in error.errors()))


def _sentence(first: Mapping[str, Any], model: type[BaseModel]) -> str:
    place = [str(part) for part in first["loc"]]
    key = ".".join(place) or "the file"
    if first["type"] == "extra_forbidden":
        known = _known_keys(place[:-1], model)
        near = difflib.get_close_matches(place[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys here are {', '.join(known)}."
        return f"the key {key} is unknown; {hint}"
    if first["type"] == "missing":
        return f"{key} is missing; add it."
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{key}: {message}."


def _known_keys(place: list[str], model: type[BaseModel]) -> list[str]:
    for part in place:
        if part not in model.model_fields:
            continue  # the number of a table in a list of tables, or the name of an entry
        models = list(_models(model.model_fields[part].annotation))
        if not models:
            return []
        model = models[0]
    return sorted(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model within a type, such as that of ``list[Model] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models(part)


def resolve_path(file: Path, text: str) -> Path:
    """A path that stands in ``file``: environment variables expanded, relative to the folder of ``file``.

    Raises
    ------
    InputError
        If a variable is not set.
    """
    expanded = os.path.expandvars(text)
    if "$" in expanded:
        name = expanded[expanded.index("$") + 1 :].split("/")[0].strip("{}")
        raise InputError(f"{file}: {text!r} uses the environment variable {name}, which is not set; set it.")
    return (Path(file).parent / Path(expanded).expanduser()).resolve()
