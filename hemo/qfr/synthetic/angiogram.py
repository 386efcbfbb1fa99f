"""A calibrated angiogram of a tree whose flow is known, and the truth about every frame of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.qfr.cine import Cine
from hemo.qfr.synthetic.detector import DetectorOptions, exposed
from hemo.qfr.synthetic.lumen import Lumen, Shape, lumen_of
from hemo.qfr.synthetic.motion import MotionOptions, contraction, motion_of
from hemo.qfr.synthetic.projecting import Samples, in_view, path_length, sampled, without_overlap
from hemo.qfr.synthetic.scene import Background, SceneOptions, background, catheter, chest
from hemo.qfr.synthetic.transport import Injection, concentrations, coronary_waveform, stretched, transit_times
from hemo.qfr.synthetic.truth import Truth, first_above
from hemo.qfr.synthetic.twigs import grown_twigs, twig_values
from hemo.results import TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]

_STEP = 0.5  # pixels a slab is thick
_FINE = 5e-3  # s, of the contrast curve at the ostium
_OFTEN = 4  # times a frame at which concentrations are worked out


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
        Of the plateau at the ostium, kg/m^3: 370 mg/mL of iodine thinned to half by blood.
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
    injection: Injection = field(default_factory=Injection)
    iodine: float = 185.0
    catheter_iodine: float = 370.0
    attenuation: float = 0.758
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    patient: int = 0
    motion: MotionOptions = field(default_factory=MotionOptions)
    scene: SceneOptions = field(default_factory=SceneOptions)
    detector: DetectorOptions = field(default_factory=DetectorOptions)


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
    noise, textures = np.random.default_rng(seed).spawn(2)
    patient = np.random.default_rng(options.patient)
    truth, contrast = _truth(tree, flow, (camera, options), float(noise.uniform(0.0, 2.0 * np.pi)))
    view = background(camera, chest(patient), options.scene, textures)
    tubes = _tubes(truth, contrast, options, patient)
    frames = _frames(truth, tubes, view, options.detector, noise)
    told = replace(camera, shift=(0.0, 0.0, 0.0))
    return Cine(frames, truth.times, told, options.detector.logarithmic), truth


def _truth(
    tree: VesselTree, given: TreeFlow | Mapping[str, Array], seen: tuple[Camera, AngiogramOptions], start: float
) -> tuple[Truth, _Contrast]:
    """The truth, and the contrast that it has; ``start`` is the breath's phase, rad."""
    camera, options = seen
    along = {name: one.flow for name, one in given.branches.items()} if isinstance(given, TreeFlow) else dict(given)
    ffr = {name: given.ffr(name) for name in along} if isinstance(given, TreeFlow) else {}
    transit = transit_times(tree, along)
    times = np.arange(round(options.duration * options.frame_rate)) / options.frame_rate
    contrast = _contrast(tree, transit, times, options)
    phase = (times / options.beat + options.phase) % 1.0
    breathing = np.sin(2.0 * np.pi * times / options.motion.breath_period + start)
    step = _STEP * float(np.mean(camera.pixel)) * camera.source_isocentre / camera.source_detector
    truth = Truth(
        tree=tree,
        lumen=lumen_of(tree, step, options.shapes),
        camera=camera,
        times=times,
        beat=options.beat,
        phase=phase,
        squeeze=contraction(phase, options.motion),
        breath=0.5 * options.motion.breath * (1.0 + breathing),
        motion=motion_of(tree, options.motion),
        flow=along,
        transit=transit,
        arrival={name: first_above(contrast.often, c, 0.5 * options.iodine) for name, c in contrast.values.items()},
        concentration={name: _at(times, contrast.often, c) for name, c in contrast.values.items()},
        ffr=ffr,
    )
    return truth, contrast


@dataclass(frozen=True)
class _Contrast:
    """Concentrations, branch -> (j, n), at the times ``often`` (j,), s; T at the frames and at these."""

    often: Array
    values: dict[str, Array]
    warped: Array
    warped_often: Array


def _contrast(tree: VesselTree, transit: dict[str, Array], times: Array, options: AngiogramOptions) -> _Contrast:
    waveform = coronary_waveform() if options.waveform is None else options.waveform

    def warped(time: Array) -> Array:
        return stretched(time, waveform, options.beat, options.phase)

    fine = np.arange(0.0, options.duration + _FINE, _FINE)
    ostium = warped(fine), options.iodine * options.injection.at(fine)
    # Every frame is among the times, so nothing is interpolated there.
    often = np.arange(len(times) * _OFTEN) / (_OFTEN * options.frame_rate)
    values = concentrations(tree, transit, ostium, warped(often), options.profile, options.mixed)
    return _Contrast(often, values, warped(times), warped(often))


def _at(times: Array, often: Array, values: Array) -> Array:
    return values[np.rint(times / often[1]).astype(int)]


@dataclass(frozen=True)
class _Tube:
    """Something tubular: its samples in the view, and its absorption (k, slabs), or (1, slabs) for all frames, 1/m."""

    lumen: Lumen
    samples: Samples
    absorption: Array


def _frames(truth: Truth, tubes: list[_Tube], view: Background, detect: DetectorOptions, rng: Generator) -> Array:
    camera = truth.camera
    detector = exposed(camera, view.at(float(truth.breath.mean())), detect)
    frames = np.empty((len(truth.times), *camera.shape), dtype=np.uint16)
    for k, (squeeze, breath) in enumerate(zip(truth.squeeze, truth.breath, strict=True)):
        absorption = view.at(float(breath))
        for one in tubes:
            moved = truth.motion.moved(one.lumen, float(squeeze), float(breath))
            absorption = absorption + path_length(moved, one.samples, camera, one.absorption[k % len(one.absorption)])
        frames[k] = detector.frame(absorption, rng)
    return frames


def _tubes(truth: Truth, contrast: _Contrast, options: AngiogramOptions, rng: Generator) -> list[_Tube]:
    """Vessels, twigs, the catheter as a whole, and what its channel has more than its wall."""
    lumen, camera, scene = truth.lumen, truth.camera, options.scene
    samples = without_overlap(sampled(lumen, camera), lumen, truth.tree)
    found = [_Tube(lumen, samples, options.attenuation * slab_values(lumen, truth.tree, truth.concentration))]
    step = float(np.median(np.diff(lumen.of(truth.tree.root.name).arc)))
    twigs = grown_twigs(truth.tree, truth.flow, scene.twigs, step, rng) if scene.twigs > 0.0 else None
    if twigs is not None:
        values = twig_values(twigs, contrast.warped, contrast.warped_often, contrast.values)
        samples = sampled(twigs.lumen, camera)
        found.append(_Tube(twigs.lumen, samples, options.attenuation * values))
    if scene.catheter > 0.0:
        inside = options.attenuation * options.catheter_iodine - scene.catheter_absorption
        for part, strength in zip(catheter(truth.tree, scene, step), (scene.catheter_absorption, inside), strict=True):
            part = in_view(part, camera)
            found.append(_Tube(part, sampled(part, camera), np.full((1, len(part.arc)), strength)))
    return found


def slab_values(lumen: Lumen, tree: VesselTree, values: Mapping[str, Array]) -> Array:
    """(k, slabs) values given at centreline points, branch -> (k, n); a daughter's way back has its first value."""
    found = np.empty((len(values[tree.root.name]), len(lumen.arc)))
    for number, name in enumerate(lumen.names):
        mine = lumen.vessel == number
        found[:, mine] = [np.interp(lumen.arc[mine], tree[name].arc, row) for row in values[name]]
    return found


def _check(options: AngiogramOptions) -> None:
    for name in ("frame_rate", "beat", "iodine", "attenuation", "profile"):
        if not getattr(options, name) > 0.0:
            raise InputError(f"angiogram options: {name} must be above 0, but is {getattr(options, name)}.")
    if round(options.duration * options.frame_rate) < 2:
        raise InputError("angiogram options: the duration must hold at least two frames.")
