"""What a pressure wire records, and stretches of its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Span = tuple[float, float]  # s, from and to
BRIDGED = 0.05  # s of lost signal that a straight line stands for


@dataclass(frozen=True)
class Trace:
    """Two pressures over time, on even times.

    Attributes
    ----------
    name
        Of the file, without its ending.
    rate
        Samples in a second.
    aortic, distal
        (n,) Pa; NaN where nothing was recorded.
    flow
        (n,) of the same vessel, in any unit (only ratios are formed), or None.
    marks
        What the file itself says of its stretches: "equalisation", "rest", "hyperaemia", "pullback".
    start
        s, of the first sample on the recorder's clock.
    notes
        What was assumed when it was read.
    """

    name: str
    rate: float
    aortic: Array
    distal: Array
    flow: Array | None = None
    marks: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    start: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def time(self) -> Array:
        """(n,) s."""
        return self.start + np.arange(len(self.aortic)) / self.rate

    @property
    def duration(self) -> float:
        """In s."""
        return len(self.aortic) / self.rate

    def index(self, time: float) -> int:
        """The sample nearest to a time, within the trace."""
        return int(np.clip(round((time - self.start) * self.rate), 0, len(self.aortic)))


def bridged(trace: Trace) -> Trace:
    """The same trace with straight lines over what is lost for 0.05 s at most."""
    made = []
    for values in (trace.aortic, trace.distal):
        whole = filled(values)
        for first, last in runs(np.isnan(values)):
            if last - first > BRIDGED * trace.rate:
                whole[first:last] = np.nan
        made.append(whole)
    return replace(trace, aortic=made[0], distal=made[1])


def runs(mask: Array) -> list[tuple[int, int]]:
    """First and one past the last index of each run of True in a mask (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(mask, np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def filled(values: Array) -> Array:
    """(n,) the same with straight lines over what is NaN."""
    lost = np.isnan(values)
    if not lost.any() or lost.all():
        return np.nan_to_num(values, copy=True)
    at = np.arange(len(values))
    return np.where(lost, np.interp(at, at[~lost], values[~lost]), values)
