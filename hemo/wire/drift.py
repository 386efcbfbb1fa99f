"""What the wire reads too much or too little, from stretches in which its sensor lies in the guiding catheter.

There both pressures are one, so their difference is the wire's. A drift of 2 mmHg moves 21 % of vessels across
FFR 0.80 (Cook et al., Circ Cardiovasc Interv 2016;9:e002988; abstract read). That above 3 mmHg, or outside a ratio of
0.97 to 1.03, a measurement is repeated is the usual rule of core laboratories (not confirmed in a primary source).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.units import MMHG
from hemo.wire.artefacts import Quality
from hemo.wire.trace import Span, Trace

Array = NDArray[Any]

SMALL = 2.0 * MMHG
LARGE = 3.0 * MMHG
LEAST_BEATS = 3


@dataclass(frozen=True)
class Check:
    """One equalisation check: its span, s, who found it, distal less aortic pressure, Pa, their ratio, its beats."""

    span: Span
    source: str
    offset: float
    ratio: float
    beats: int


@dataclass(frozen=True)
class Drift:
    """All checks, and what follows.

    ``value`` is the last check's offset less the first one's, Pa; of a single check its own offset, because wires are
    equalised before they are advanced; None where no check follows the measurement (``late`` is False).
    """

    checks: tuple[Check, ...]
    late: bool

    @property
    def value(self) -> float | None:
        """In Pa."""
        if not self.late:
            return None
        first = self.checks[0].offset if len(self.checks) > 1 else 0.0
        return self.checks[-1].offset - first

    @property
    def size(self) -> str:
        """In words: small, moderate, large or unknown."""
        if self.value is None:
            return "unknown"
        worst = max(abs(self.value), abs(self.checks[-1].offset))
        return "small" if worst <= SMALL else "moderate" if worst <= LARGE else "large"

    def offset(self, trace: Trace, time: Array) -> Array:
        """(n,) Pa to take from the distal pressure: straight lines between the checks, level outside.

        Of one check in the second half of the trace: a line from nothing at the first sample. How a wire drifted in
        between is not known.
        """
        at = [0.5 * sum(check.span) for check in self.checks]
        values = [check.offset for check in self.checks]
        if len(at) == 1 and self.late:
            at, values = [trace.start, *at], [0.0, *values]
        return np.interp(time, at, values)


def measure(trace: Trace, quality: Quality, spans: Sequence[tuple[Span, str]]) -> Drift | None:
    """The drift that equalisation checks show; None without one.

    Raises
    ------
    InputError
        If a given check has fewer than three clean beats, or pressures that differ by more than 15 mmHg.
    """
    checks = []
    for span, source in sorted(spans):
        used = quality.clean & quality.beats.within(trace.index(span[0]), trace.index(span[1]))
        if used.sum() < LEAST_BEATS:
            raise InputError(
                f"{trace.name}: the equalisation check from {span[0]:g} to {span[1]:g} s holds {used.sum()} clean "
                f"beats; give one with {LEAST_BEATS} or more."
            )
        weights = quality.beats.period[used]
        aortic, distal = np.average(quality.beats.mean[used], axis=0, weights=weights)
        if abs(distal - aortic) > 15.0 * MMHG:
            raise InputError(
                f"{trace.name}: from {span[0]:g} to {span[1]:g} s the pressures differ by "
                f"{(distal - aortic) / MMHG:.0f} mmHg; that is no equalisation check."
            )
        checks.append(Check(span, source, float(distal - aortic), float(distal / aortic), int(used.sum())))
    if not checks:
        return None
    return Drift(tuple(checks), sum(checks[-1].span) > 2.0 * trace.start + trace.duration)
