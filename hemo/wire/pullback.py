"""The ratio of pressures while the sensor is drawn back: where along the vessel pressure is lost.

The pullback pressure gradient (PPG index, Collet et al., J Am Coll Cardiol 2019;74:1772) is not computed: its
definition could not be read in the original. Its ingredients are: the loss over the vessel, and the greatest loss
within 20 mm, where the wire's speed or the length drawn is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from hemo.errors import InputError
from hemo.wire.artefacts import Quality
from hemo.wire.trace import Span, Trace

Array = NDArray[Any]

WINDOW = 20e-3  # m
LONGEST = 0.25  # m
LEAST_BEATS = 8


@dataclass(frozen=True)
class PullbackCurve:
    """Ratio of each clean beat while the wire is drawn back.

    Attributes
    ----------
    time, ratio
        (k,) s, and the ratio (median of three beats).
    place
        (k,) m from the sensor's first place, or None.
    loss
        The ratio at the end less that at the beginning.
    steepest
        Greatest gain of the ratio within 20 mm (within a fifth of the time where no place is known).
    steepest_at
        Middle of that stretch, m (s where no place is known).
    """

    time: Array
    ratio: Array
    place: Array | None
    loss: float
    steepest: float
    steepest_at: float


def pullback_curve(trace: Trace, quality: Quality, span: Span, length: float | None = None) -> PullbackCurve:
    """The curve within a span, s; ``length`` is how far the wire was drawn evenly within it, m.

    Raises
    ------
    InputError
        If too few clean beats are left, or the length is no coronary's.
    """
    if length is not None and not 0.01 <= length <= LONGEST:
        raise InputError(f"a pullback over {1e3 * length:.0f} mm is outside 10 to {1e3 * LONGEST:.0f} mm; correct it.")
    beats = quality.beats
    used = np.flatnonzero(quality.clean & beats.within(trace.index(span[0]), trace.index(span[1])))
    if len(used) < LEAST_BEATS:
        raise InputError(
            f"{trace.name}: the pullback from {span[0]:g} to {span[1]:g} s holds {len(used)} clean beats; "
            f"{LEAST_BEATS} are needed."
        )
    time = trace.start + 0.5 * (beats.feet[used] + beats.feet[used + 1]) / trace.rate
    ratio = median_filter(beats.ratio[used], size=3, mode="nearest")
    place = None if length is None else length * (time - span[0]) / (span[1] - span[0])
    along, width = (time, 0.2 * (span[1] - span[0])) if place is None else (place, WINDOW)
    starts = np.linspace(along[0], max(along[-1] - width, along[0]), 200)
    gains = np.interp(starts + width, along, ratio) - np.interp(starts, along, ratio)
    best = int(np.argmax(gains))
    return PullbackCurve(
        time,
        ratio,
        place,
        float(np.median(ratio[-3:]) - np.median(ratio[:3])),
        float(gains[best]),
        float(starts[best] + width / 2.0),
    )
