"""A calibrated angiogram of a tree whose flow is known, and the truth about every frame of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.qfr.cine import Cine, Contours
from hemo.qfr.synthetic.detector import DetectorOptions, exposed
from hemo.qfr.synthetic.lumen import Lumen, Shape, lumen_of
from hemo.qfr.synthetic.motion import Motion, MotionOptions, contraction, motion_of
from hemo.qfr.synthetic.projecting import Samples, path_length, sampled, silhouette, without_overlap
from hemo.qfr.synthetic.scene import Background, SceneOptions, background, catheter, chest
from hemo.qfr.synthetic.transport import (
    Injection,
    concentrations,
    coronary_waveform,
    stretched,
    transit_times,
)
from hemo.results import TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]

_STEP = 0.6  # pixels a slab is thick
_FINE = 5e-3  # s, of the contrast curve at the ostium


@dataclass(frozen=True)
class AngiogramOptions:
    """How an angiogram is taken.

    Attributes
    ----------
    duration, frame_rate
        s, 1/s.
    beat
        Length of the heart's beat, s.
    phase
        Part of the beat that is over at the first frame (0 at the R wave, end-diastole).
    waveform
        (p,) flow over its mean through a beat from the R wave; None for a left coronary artery's usual one.
    profile
        m of the velocity profile 1 - (r/R)^m: 2 for Poiseuille's.
    mixed
        Whether bifurcations mix the section.
    injection
        Contrast at the ostium over time.
    iodine
        Of the plateau at the ostium, kg/m^3: 370 mg/mL of iodine thinned to 0.6 by blood.
    catheter_iodine
        In the catheter, kg/m^3.
    attenuation
        Of iodine, m^2/kg; 0.758 is at 60 keV (NIST).
    shapes
        Branch -> form of its sections; those not named are round.
    patient
        Seed of the chest, so that two views show the same.
    """

    duration: float = 4.0
    frame_rate: float = 15.0
    beat: float = 0.86
    phase: float = 0.0
    waveform: Array | None = None
    profile: float = 2.0
    mixed: bool = True
    injection: Injection = Injection()
    iodine: float = 220.0
    catheter_iodine: float = 370.0
    attenuation: float = 0.758
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    patient: int = 0
    motion: MotionOptions = MotionOptions()
    scene: SceneOptions = SceneOptions()
    detector: DetectorOptions = DetectorOptions()


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
        """Projected midline and edges of a branch from its ostium on, at every slab; ``arc`` of the lumen says where."""
        part = self.moved(frame).of(branch)
        return Contours(frame, *silhouette(part.chosen(part.arc >= 0.0), self.camera))

    @property
    def end_diastolic(self) -> NDArray[np.int64]:
        """Frames at which the heart is at rest, one a beat: those nearest to the R wave."""
        beats = np.rint(self.times / self._period + self.phase[0])
        away = np.abs(self.times / self._period + self.phase[0] - beats)
        found = [int(np.flatnonzero(beats == b)[np.argmin(away[beats == b])]) for b in np.unique(beats)]
        return np.array([k for k in found if away[k] <= 0.5 * (self.times[1] - self.times[0]) / self._period + 1e-9])

    @property
    def _period(self) -> float:
        turns = np.diff(self.phase) % 1.0
        return float((self.times[1] - self.times[0]) / turns[0])


def angiogram(
    tree: VesselTree,
    flow: TreeFlow | Mapping[str, Array],
    camera: Camera,
    options: AngiogramOptions | None = None,
    seed: int = 0,
) -> tuple[Cine, Truth]:
    """Make one view of a tree.

    Parameters
    ----------
    tree
        Near the isocentre (:func:`hemo.qfr.synthetic.views.centred`), at end-diastole.
    flow
        Of a solver, or branch -> (n,) volume flow at the centreline points, m^3/s.
    camera
        Its ``shift`` moves the patient in the image and stays out of the cine's own camera.
    seed
        Of noise and texture; another for each view.

    Raises
    ------
    InputError
        If flows or shapes do not fit the tree, or a time is not positive.
    """
    options = options or AngiogramOptions()
    _check(options)
    rng = np.random.default_rng(seed)
    truth = _truth(tree, flow, camera, options, rng)
    view = background(camera, chest(np.random.default_rng(options.patient)), options.scene, rng)
    frames = _frames(_Seen(truth, options, view), rng)
    told = replace(camera, shift=(0.0, 0.0, 0.0))
    return Cine(frames, truth.times, told, options.detector.logarithmic), truth


def _truth(
    tree: VesselTree,
    flow: TreeFlow | Mapping[str, Array],
    camera: Camera,
    options: AngiogramOptions,
    rng: np.random.Generator,
) -> Truth:
    along, ffr = dict(flow) if isinstance(flow, Mapping) else {}, {}
    if isinstance(flow, TreeFlow):
        along = {name: one.flow for name, one in flow.branches.items()}
        ffr = {name: flow.ffr(name) for name in along}
    transit = transit_times(tree, along)
    count = round(options.duration * options.frame_rate)
    times = np.arange(count) / options.frame_rate
    waveform = coronary_waveform() if options.waveform is None else options.waveform

    def warped(time: Array) -> Array:
        return stretched(time, waveform, options.beat, options.phase)

    fine = np.arange(0.0, options.duration + _FINE, _FINE)
    curve = (warped(fine), options.iodine * options.injection.at(fine))
    steady = np.flatnonzero(np.diff(curve[0], prepend=-1.0) > 0.0)  # where the flow stands still time is not told apart
    curve = curve[0][steady], curve[1][steady]
    often = np.arange(0.0, options.duration, 1.0 / max(60.0, options.frame_rate))
    seen = concentrations(tree, transit, curve, warped(times), options.profile, options.mixed)
    early = concentrations(tree, transit, curve, warped(often), options.profile, options.mixed)
    phase = (times / options.beat + options.phase) % 1.0
    start = rng.uniform(0.0, 2.0 * np.pi)
    breathing = np.sin(2.0 * np.pi * times / options.motion.breath_period + start)
    step = _STEP * float(np.mean(camera.pixel)) * camera.source_isocentre / camera.source_detector
    return Truth(
        tree,
        lumen_of(tree, step, options.shapes),
        camera,
        times,
        phase,
        contraction(phase, options.motion),
        0.5 * options.motion.breath * (1.0 + breathing),
        motion_of(tree, options.motion),
        along,
        transit,
        {name: first_above(often, values, 0.5 * options.iodine) for name, values in early.items()},
        seen,
        ffr,
    )


def first_above(time: Array, values: Array, level: float) -> Array:
    """(n,) when each column of values (k, n) first passes a level, interpolated; nan where it does not."""
    above = values >= level
    k = np.argmax(above, axis=0)
    column = np.arange(values.shape[1])
    before, after = values[np.maximum(k - 1, 0), column], values[k, column]
    part = np.where(k > 0, (level - before) / np.where(after > before, after - before, 1.0), 0.0)
    when = time[np.maximum(k - 1, 0)] + part * (time[k] - time[np.maximum(k - 1, 0)])
    return np.where(above.any(axis=0), when, np.nan)


@dataclass(frozen=True)
class _Seen:
    """A view ready to be exposed."""

    truth: Truth
    options: AngiogramOptions
    view: Background


def _frames(seen: _Seen, rng: np.random.Generator) -> Array:
    truth, options, camera = seen.truth, seen.options, seen.truth.camera
    vessels = without_overlap(sampled(truth.lumen, camera), truth.lumen, truth.tree)
    tubes = _catheter(seen)
    detector = exposed(camera, seen.view.at(float(truth.breath.mean())), options.detector)
    frames = np.empty((len(truth.times), *camera.shape), dtype=np.uint16)
    for k in range(len(truth.times)):
        squeeze, breath = float(truth.squeeze[k]), float(truth.breath[k])
        iodine = slab_values(truth.lumen, truth.tree, {name: c[k] for name, c in truth.concentration.items()})
        absorption = seen.view.at(breath)
        contrast = path_length(truth.motion.moved(truth.lumen, squeeze, breath), vessels, camera, iodine)
        absorption = absorption + options.attenuation * contrast
        for lumen, samples, strength in tubes:
            moved = truth.motion.moved(lumen, squeeze, breath)
            absorption += strength * path_length(moved, samples, camera)
        frames[k] = detector.frame(absorption, rng)
    return frames


def _catheter(seen: _Seen) -> list[tuple[Lumen, Samples, float]]:
    """Tubes of the catheter with their samples and absorption, 1/m: the whole as wall, and the channel's difference."""
    scene, options, truth = seen.options.scene, seen.options, seen.truth
    if scene.catheter <= 0.0:
        return []
    step = 2.0 * float(np.diff(truth.lumen.of(truth.tree.root.name).arc[:2])[0])
    outer, channel = catheter(truth.tree, scene, step)
    inside = options.attenuation * options.catheter_iodine - scene.catheter_absorption
    return [
        (outer, sampled(outer, truth.camera), scene.catheter_absorption),
        (channel, sampled(channel, truth.camera), inside),
    ]


def slab_values(lumen: Lumen, tree: VesselTree, values: Mapping[str, Array]) -> Array:
    """(n,) values given at centreline points, at the slabs; a daughter's way back has its first value."""
    found = np.empty(len(lumen.arc))
    for number, name in enumerate(lumen.names):
        mine = lumen.vessel == number
        found[mine] = np.interp(lumen.arc[mine], tree[name].arc, values[name])
    return found


def _check(options: AngiogramOptions) -> None:
    for name in ("frame_rate", "beat", "iodine", "attenuation", "profile"):
        if not getattr(options, name) > 0.0:
            raise InputError(f"angiogram options: {name} must be above 0, but is {getattr(options, name)}.")
    if round(options.duration * options.frame_rate) < 2:
        raise InputError("angiogram options: the duration must hold at least two frames.")
