"""What is known about a virtual angiogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.qfr.camera import Camera
from hemo.qfr.cine import Contours
from hemo.qfr.synthetic.lumen import Lumen
from hemo.qfr.synthetic.motion import Motion
from hemo.qfr.synthetic.projecting import silhouette
from hemo.tree import VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class Truth:
    """What a reader of the angiogram should find.

    Attributes
    ----------
    tree
        The vessels at end-diastole, without breath.
    lumen
        The same as slabs.
    camera
        The view with the shift that the reader is not told.
    beat
        Its length, s.
    times, phase, squeeze, breath
        (k,) of the frames: s; part of the beat; contraction 0 to 1; shift towards the feet, m.
    motion
        How the lumen moves.
    flow
        Branch -> (n,) mean volume flow at the centreline points, m^3/s.
    transit
        Branch -> (n,) time that the mean velocity takes from the ostium, s.
    arrival
        Branch -> (n,) time from the first frame at which the section's mean concentration first is half the plateau's,
        s; nan where it never is.
    concentration
        Branch -> (k, n) section-mean iodine at the frames, kg/m^3.
    ffr
        Branch -> (n,) as given; empty where only flows were.
    """

    tree: VesselTree
    lumen: Lumen
    camera: Camera
    times: Array
    beat: float
    phase: Array
    squeeze: Array
    breath: Array
    motion: Motion
    flow: dict[str, Array]
    transit: dict[str, Array]
    arrival: dict[str, Array]
    concentration: dict[str, Array]
    ffr: dict[str, Array]

    def moved(self, frame: int) -> Lumen:
        """The lumen at a frame."""
        return self.motion.moved(self.lumen, float(self.squeeze[frame]), float(self.breath[frame]))

    def contours(self, branch: str, frame: int) -> Contours:
        """Projected midline and edges of a branch at its slabs from the ostium on (:meth:`places` says where)."""
        part = self.moved(frame).of(branch)
        return Contours(frame, *silhouette(part.chosen(part.arc >= 0.0), self.camera))

    def places(self, branch: str) -> Array:
        """(n,) arc length (m) of the branch's slabs from the ostium on: those of its contours."""
        arc = self.lumen.of(branch).arc
        return arc[arc >= 0.0]

    @property
    def end_diastolic(self) -> NDArray[np.int64]:
        """Frames at which the heart is at rest, one a beat: the nearest to the R wave, within half a frame."""
        beats = self.times / self.beat + self.phase[0]
        away = np.abs(beats - np.rint(beats))
        return np.flatnonzero(away * self.beat <= 0.5 * (self.times[1] - self.times[0]) * (1.0 - 1e-9))


def first_above(time: Array, values: Array, level: float) -> Array:
    """(n,) when each column of values (k, n) first passes a level, interpolated; nan where it does not."""
    above = values >= level
    k = np.argmax(above, axis=0)
    column = np.arange(values.shape[1])
    before, after = values[np.maximum(k - 1, 0), column], values[k, column]
    part = np.where(k > 0, (level - before) / np.where(after > before, after - before, 1.0), 0.0)
    when = time[np.maximum(k - 1, 0)] + part * (time[k] - time[np.maximum(k - 1, 0)])
    return np.where(above.any(axis=0), when, np.nan)
