r"""Losses of total pressure that grow with the flow: h(Q) = R Q + K |Q| Q + further terms.

Every further term is a coefficient times a shape of the flow over a scale of its own, c f(|Q| / Q0), with f(0) = 0 and
f rising: so the energies, their integrals, are convex, and a tree of such elements has one solution
(:mod:`hemo.reduced.convex`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """A rising function f of a number x >= 0, with its derivative and its integral from 0."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    integral: Callable[[Array], Array]


def power(exponent: float) -> Shape:
    """x to a power of 1 or more."""
    above = exponent + 1.0
    return Shape(lambda x: x**exponent, lambda x: exponent * x ** (exponent - 1.0), lambda x: x**above / above)


def tabulated(x: Array, value: Array) -> Shape:
    """Through values > 0 at places x > 0, both rising: a power of x between two neighbours and beyond the ends.

    A power goes with its derivative and its integral exactly, so that energies are those of the losses.
    """
    exponent = np.diff(np.log(value)) / np.diff(np.log(x))
    pieces = value[:-1] * x[:-1] / (exponent + 1.0)
    grown = pieces * ((x[1:] / x[:-1]) ** (exponent + 1.0) - 1.0)
    # From 0 to the first place the first piece's power holds.
    begun = np.concatenate([[value[0] * x[0] / (exponent[0] + 1.0)], grown]).cumsum()[:-1]

    inner, last, first = x[1:-1], x[:-1], value[:-1] * exponent / x[:-1]

    def piece(at: Array) -> Indices:
        return np.searchsorted(inner, at, side="right")

    def of(at: Array) -> Array:
        k = piece(at)
        return np.asarray(value[k] * (at / last[k]) ** exponent[k])

    def slope(at: Array) -> Array:
        k = piece(at)
        return np.asarray(first[k] * (at / last[k]) ** (exponent[k] - 1.0))

    def integral(at: Array) -> Array:
        k = piece(at)
        return np.asarray(begun[k] + pieces[k] * ((at / last[k]) ** (exponent[k] + 1.0) - 1.0))

    return Shape(of, slope, integral)


def _onset_integral(x: Array) -> Array:
    small = np.minimum(x, 0.02)
    series = small**4 * (1 / 4 - small * (1 / 5 - small * (1 / 6 - small * (1 / 7 - small / 8))))
    return np.asarray(np.where(x < 0.02, series, x**3 / 3.0 - x**2 / 2.0 + x - np.log1p(x)))


# x^3 / (1 + x): cubic at small flow, quadratic at large.
ONSET = Shape(lambda x: x**3 / (1.0 + x), lambda x: x**2 * (3.0 + 2.0 * x) / (1.0 + x) ** 2, _onset_integral)


@dataclass(frozen=True)
class Term:
    """``coefficient`` (t, ...) in Pa times a shape of the flow over ``scale`` (t, ...), m^3/s, each at one place.

    ``at`` (t,) are the places, of which one may stand several times; ``source`` (t,) numbers what causes the loss, and
    pieces with one source have one scale.
    """

    shape: Shape
    at: Indices
    source: Indices
    coefficient: Array
    scale: Array

    def onto(self, owner: Indices) -> Term:
        """The same losses with every place's ``owner`` (n,) in its stead, pieces of one source being put together."""
        keys, first, together = np.unique(
            np.stack([owner[self.at], self.source]), axis=1, return_index=True, return_inverse=True
        )
        coefficient = np.zeros((keys.shape[1], *self.coefficient.shape[1:]))
        np.add.at(coefficient, together.ravel(), self.coefficient)
        return Term(self.shape, keys[0], keys[1], coefficient, self.scale[first])


@dataclass(frozen=True)
class Losses:
    """What is lost at places in a row or in elements of a tree; nothing here may be negative.

    Attributes
    ----------
    linear, quadratic
        (e, ...) Pa s / m^3 and Pa s^2 / m^6, with as many axes as the flow has or fewer.
    terms
        Besides.
    """

    linear: Array
    quadratic: Array
    terms: tuple[Term, ...] = ()

    def loss(self, flow: Array) -> Array:
        """(e, ...) Pa, with the sign of the flow (e, ...), m^3/s."""
        size = np.abs(flow)
        lost = (along(self.linear, flow) + along(self.quadratic, flow) * size) * flow
        for term in self.terms:
            coefficient, scale = along(term.coefficient, flow), along(term.scale, flow)
            part = coefficient * term.shape.value(size[term.at] / scale)
            np.add.at(lost, term.at, np.copysign(part, flow[term.at]))
        return np.asarray(lost)

    def slope(self, flow: Array) -> Array:
        """(e, ...) derivative of the loss by the flow, Pa s / m^3."""
        size = np.abs(flow)
        slope = along(self.linear, flow) + 2.0 * along(self.quadratic, flow) * size
        for term in self.terms:
            coefficient, scale = along(term.coefficient, flow), along(term.scale, flow)
            np.add.at(slope, term.at, coefficient / scale * term.shape.slope(size[term.at] / scale))
        return np.asarray(slope)

    def energy(self, flow: Array) -> Array:
        """(...) sum of the integrals of the losses over the flow from 0, W."""
        size = np.abs(flow)
        whole = ((along(self.linear, flow) / 2.0 + along(self.quadratic, flow) * size / 3.0) * size**2).sum(axis=0)
        for term in self.terms:
            coefficient, scale = along(term.coefficient, flow), along(term.scale, flow)
            whole = whole + (coefficient * scale * term.shape.integral(size[term.at] / scale)).sum(axis=0)
        return np.asarray(whole)


def along(values: Array, other: Array) -> Array:
    """Values of places, the same along further axes of ``other`` that they do not have themselves."""
    return values.reshape(values.shape + (1,) * (other.ndim - values.ndim))
