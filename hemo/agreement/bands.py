"""Accuracy by FFR band, and the accuracy that no method can exceed because the wire does not repeat itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hemo.agreement.classification import Proportion, proportion
from hemo.agreement.clusters import sums

Array = NDArray[Any]

# Spread of a single wire measurement about the truth: from the certainty of decisions in Petraco R, JACC Cardiovasc
# Interv 2013;6:222-225 (repeat differences 0.030 to 0.036, over sqrt 2); docs/physics.md.
WIRE_SD = (0.021, 0.025)
EDGES = (0.70, 0.75, 0.80, 0.85, 0.90)
GREY = (0.75, 0.85)


@dataclass(frozen=True)
class Band:
    """Rows whose wire value lies in a band.

    Attributes
    ----------
    label
        Which.
    accuracy
        Of the method.
    ceiling
        For each wire spread, the accuracy expected of a method without error.
    second_wire
        The same of a second wire measurement.
    """

    label: str
    accuracy: Proportion
    ceiling: tuple[float, ...]
    second_wire: tuple[float, ...]


def ceiling(wire: Array, cutoff: float, sd: float, again: bool = False) -> Array:
    """(n,) chance that the truth, or with ``again`` a second measurement, is called as the wire's value (n,) is.

    The truth given the wire is normal: FFR of the cohort is taken as normal with its own mean and variance (of which
    the wire's error is a part), each measurement as the truth with an independent error ``sd``. Where the wire was
    noted to two decimals, 0.80 stands for anything below 0.805, and so does the cut-off.
    """
    kept = max(1e-6, 1.0 - sd**2 / max(float(wire.var()), 1e-12))
    expected = wire.mean() + kept * (wire - wire.mean())
    spread = sd * np.sqrt(kept + again)
    below = ndtr((_true_cutoff(wire, cutoff) - expected) / spread)
    return np.asarray(np.where(wire <= _true_cutoff(wire, cutoff), below, 1.0 - below))


def _true_cutoff(wire: Array, cutoff: float) -> float:
    """Where values that were rounded are parted."""
    step = 0.01
    rounded = np.abs(wire / step - np.round(wire / step)) < 1e-6
    return cutoff + 0.5 * step if len(wire) and bool(rounded.all()) else cutoff


def bands(
    right: Array, wire: Array, cutoff: float, code: Array, count: int, wire_sd: tuple[float, ...] = WIRE_SD
) -> tuple[Band, ...]:
    """Accuracy of calls that are ``right`` (n,), bool, by band of ``wire`` (n,), the grey zone, the rest, and all."""
    tiny = 1e-9  # a band ends at its upper edge, that of the cut-off included, and the grey zone holds both its edges
    place = np.searchsorted(np.array(EDGES) + tiny, wire)
    grey = (wire >= GREY[0] - tiny) & (wire <= GREY[1] + tiny)
    names = [f"<= {EDGES[0]:.2f}"]
    names += [f"> {low:.2f} to {high:.2f}" for low, high in pairwise(EDGES)]
    names += [f"> {EDGES[-1]:.2f}"]
    chosen = [(name, place == number) for number, name in enumerate(names)]
    chosen += [(f"{GREY[0]:.2f} to {GREY[1]:.2f} (grey zone)", grey), ("outside the grey zone", ~grey)]
    chosen += [("all", np.ones(len(wire), dtype=bool))]
    expected = [[ceiling(wire, cutoff, sd, again) for sd in wire_sd] for again in (False, True)]
    found = []
    for name, rows in chosen:
        above, below = (sums(code, kind.astype(float), count) for kind in (right & rows, rows))
        perfect, again = (tuple(_mean(one[rows]) for one in each) for each in expected)
        found.append(Band(name, proportion("accuracy", above, below), perfect, again))
    return tuple(found)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")
