"""A closed surface from the outlines of successive sections."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lumen.surface import Surface

Array = NDArray[Any]


def closed_tube(rings: Array, middles: Array) -> Surface:
    """The wall through outlines, with a fan over either end.

    Parameters
    ----------
    rings
        (n, around, 3) points of the outlines, m, anticlockwise when looking back from the end; the k-th points of
        neighbours face each other.
    middles
        (2, 3) the middles of the first and of the last.
    """
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    after = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1].ravel(), after[:-1].ravel(), after[1:].ravel(), index[1:].ravel()
    wall = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    first, last = count * around, count * around + 1
    start = np.stack([np.full(around, first), after[0], index[0]], axis=1)
    end = np.stack([np.full(around, last), index[-1], after[-1]], axis=1)
    points = np.concatenate([rings.reshape(-1, 3), middles])
    return Surface(points, np.concatenate([wall, start, end]).astype(np.int64))
