"""Which neighbours go into a mean: those on which the vessel is still, whatever the background does."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.qfr.averaging import steady_mean
from tests.qfr.rendering import Tube, arc, counted, render

POINTS = np.array([[30.0, 60.0], [110.0, 60.0]])


def frames(shifts: tuple[float, ...]) -> np.ndarray:
    made = []
    for seed, shift in enumerate(shifts):
        line = arc((70.0, 120.0 + shift), 72.0, -0.5 * np.pi - 0.7, -0.5 * np.pi + 0.7)
        tube = Tube(line, lambda s: np.full_like(s, 5.0))
        dose = render([tube], (110, 140), absorption=0.026, fine=3, background=lambda c, r: 1.0 + 0.2 * np.sin(c / 9.0))
        made.append(counted(dose, 0.03, seed))
    return np.array(made)


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [((0.0, 0.0, 0.0, 0.1, 0.0), (1, 2, 3)), ((0.0, 1.5, 0.0, 0.0, 0.0), (2, 3, 4)), ((0.0, 2.0, 0.0, 1.0, 0.0), (2,))],
)
def test_only_frames_of_a_still_vessel_are_taken(shifts: tuple[float, ...], expected: tuple[int, ...]) -> None:
    cine = frames(shifts)
    mean, taken = steady_mean(cine, 2, POINTS, False)
    assert taken == expected
    assert mean == pytest.approx(cine[list(expected)].mean(axis=0))
