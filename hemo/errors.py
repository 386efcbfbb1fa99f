"""The exceptions hemo raises on purpose, each with the exit code the command line returns for it.

A message is one plain sentence that says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class HemoError(Exception):
    """Base of every error that hemo reports as a sentence instead of a traceback."""

    exit_code = 2


class InputError(HemoError):
    """The user's input (file, value, option) cannot be used."""

    exit_code = 2


class NotConverged(HemoError):
    """A solver stopped short of its tolerance: files are kept and marked, no FFR is claimed."""

    exit_code = 3


class TreesNotMeshed(HemoError):
    """Some trees of a lumen could not be meshed; ``made`` is what was made of the others, whose files are kept."""

    exit_code = 2

    def __init__(self, message: str, made: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.made = tuple(made)


class EnvironmentMissing(HemoError):
    """A library or program that this step needs is not installed."""

    exit_code = 4


class Interrupted(HemoError):
    """The user or a scheduler asked the run to stop; the same command resumes it."""

    exit_code = 130
