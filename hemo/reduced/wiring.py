"""Circuits put together piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemo.reduced.elements import elements
from hemo.reduced.periodic import Circuit
from hemo.reduced.terms import Losses, Term

Array = NDArray[Any]
Indices = NDArray[np.int64]

OSTIUM = np.array([-1])


class Wiring:
    """Elements and ends in rows of any length, each row behind elements that were there before.

    Values are one for the row or one for each of it; a loss or a drive may also have an axis of n times.
    """

    def __init__(self, times: int) -> None:
        self.times = times
        self.upstream: tuple[list[Indices], list[Indices]] = ([], [])  # of elements, of ends
        self.linear: tuple[list[Array], list[Array]] = ([], [])
        self.quadratic: list[Array] = []
        self.inertance: list[Array] = []
        self.stiffness: list[Array] = []
        self.drive: list[Array] = []
        self.terms: tuple[Term, ...] = ()

    def elements(
        self, upstream: Indices, linear: ArrayLike = 0.0, quadratic: ArrayLike = 0.0, inertance: ArrayLike = 0.0
    ) -> Indices:
        """A row behind the elements ``upstream`` (a,), -1 the ostium; returns their numbers (a,)."""
        begun = sum(map(len, self.upstream[0]))
        self.upstream[0].append(upstream)
        self.linear[0].append(self._whole(linear, len(upstream)))
        self.quadratic.append(np.broadcast_to(quadratic, len(upstream)))
        self.inertance.append(np.broadcast_to(inertance, len(upstream)))
        return begun + np.arange(len(upstream))

    def ends(
        self, upstream: Indices, linear: ArrayLike = 0.0, stiffness: ArrayLike = 0.0, pressure: ArrayLike = 0.0
    ) -> Indices:
        """A row of ends, each a resistance or a capacitance before a pressure, Pa; returns their numbers (a,)."""
        begun = sum(map(len, self.upstream[1]))
        self.upstream[1].append(upstream)
        self.linear[1].append(self._whole(linear, len(upstream)))
        self.stiffness.append(np.broadcast_to(stiffness, len(upstream)))
        self.drive.append(-self._whole(pressure, len(upstream)))
        return begun + np.arange(len(upstream))

    def circuit(self, period: float) -> Circuit:
        """All of it, repeating after ``period``, s."""
        upstream, ends = (np.concatenate(rows) for rows in self.upstream)
        tree = elements(upstream, ends)
        linear = np.zeros((len(tree.parent), self.times))
        linear[tree.stretches], linear[tree.beds] = (np.concatenate(rows) for rows in self.linear)
        quadratic, inertance = np.zeros((2, len(tree.parent)))
        quadratic[tree.stretches] = np.concatenate(self.quadratic)
        inertance[tree.stretches] = np.concatenate(self.inertance)
        losses = Losses(linear, quadratic, tuple(term.onto(tree.stretches) for term in self.terms))
        return Circuit(tree, losses, inertance, np.concatenate(self.stiffness), np.concatenate(self.drive), period)

    def _whole(self, values: ArrayLike, length: int) -> Array:
        values = np.asarray(values, dtype=np.float64)
        return np.broadcast_to(values[:, None] if values.ndim == 1 else values, (length, self.times))
