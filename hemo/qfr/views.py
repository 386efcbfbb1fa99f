"""Whether views suit each other, and whether frames can be counted on them."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Sequence

from hemo.errors import InputError
from hemo.qfr.camera import angle_between
from hemo.qfr.cine import Cine

_log = logging.getLogger(__name__)

LEAST_FRAME_RATE = 12.5  # 1/s; HAWKEYE's sub-study lost cases to 7.5 (doi 10.1007/s10557-021-07162-6)
LEAST_ANGLE = math.radians(25.0)  # Medis' guidance for QFR in two views
SAME_VIEW = math.radians(5.0)  # an error across the beam becomes 1 / sin 5 degrees = 11 times as much along it
_SAME_RATE = 0.05


def frame_counting_possible(cine: Cine) -> bool:
    """Whether frames follow each other fast enough, at 12.5 a second or more, to count those that contrast needs."""
    return len(cine.times) > 1 and cine.frame_rate >= LEAST_FRAME_RATE * (1.0 - 1e-3)


def warn_of_rate(cine: Cine, where: str) -> None:
    """Say that frames cannot be counted on a cine that is slow."""
    if len(cine.times) > 1 and not frame_counting_possible(cine):
        _log.warning(
            "%s: has %.3g frames/s, fewer than %g: frames cannot be counted, so its flow is not measured.",
            *(where, cine.frame_rate, LEAST_FRAME_RATE),
        )


def check_views(cines: Sequence[Cine]) -> None:
    """Refuse one view given twice; warn of views that are close to each other, or of different frame rates.

    Raises
    ------
    InputError
        Two views less than 5 degrees apart (opposite views are alike).
    """
    for (one, first), (other, second) in itertools.combinations(enumerate(cines, 1), 2):
        angle = angle_between(first.camera, second.camera)
        if angle < SAME_VIEW:
            raise InputError(
                f"Views {one} and {other} are the same view ({math.degrees(angle):.1f} degrees apart); "
                f"give views that are at least {math.degrees(LEAST_ANGLE):.0f} degrees apart, or one alone."
            )
        if angle < LEAST_ANGLE:
            _log.warning(
                "Views %d and %d are %.0f degrees apart, fewer than %.0f: depth is uncertain.",
                *(one, other, math.degrees(angle), math.degrees(LEAST_ANGLE)),
            )
        rates = [cine.frame_rate for cine in (first, second) if len(cine.times) > 1]
        if len(rates) == 2 and abs(rates[0] / rates[1] - 1.0) > _SAME_RATE:
            _log.warning("Views %d and %d have %.3g and %.3g frames/s.", *(one, other, *rates))
