"""What else an angiogram shows: heart, diaphragm, spine, ribs, texture, and the catheter.

All but the texture are bodies in the patient, seen by the view's own geometry, so two views of one scene agree.
Absorption is in nepers. The soft tissue's contrast is less than the bare physics' (20.6 /m for water at 60 keV), since
wedge filters and the dynamic compression of clinical systems flatten it: 5 /m is near what ARCADE's frames show.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from hemo.geometry.synthetic.heart import bridge
from hemo.qfr.camera import Camera
from hemo.qfr.synthetic.lumen import Lumen, joined, tube
from hemo.qfr.synthetic.projecting import in_view, path_length, sampled
from hemo.tree import VesselTree, arc_length

Array = NDArray[Any]

_COARSE = 4  # bodies are made with pixels so many times as large


@dataclass(frozen=True)
class SceneOptions:
    """Strengths of the clutter; 0 leaves a kind out.

    Attributes
    ----------
    tissue
        Absorption of heart and diaphragm over that of the lung, 1/m.
    bone
        Absorption of the bones' outer 1 mm, 1/m; their inside has a fifth.
    markings
        Standard deviation of the lung's and muscle's texture, nepers.
    twigs
        Distance of the thin side branches along the vessels, m; 0 leaves them and the outlets' continuations out.
    catheter
        Outer diameter, m: 2.0 mm is 6 F.
    catheter_wall
        Thickness of the catheter's wall, m.
    catheter_absorption
        Of the wall, 1/m.
    """

    tissue: float = 5.0
    bone: float = 15.0
    markings: float = 0.10
    twigs: float = 7e-3
    catheter: float = 2.0e-3
    catheter_wall: float = 0.15e-3
    catheter_absorption: float = 150.0


@dataclass(frozen=True)
class Body:
    """An ellipsoid: centre (3,) and semi-axes (3,) along x, y, z, m; whether the breath moves it."""

    centre: Array
    size: Array
    breathes: bool


def chord(body: Body, camera: Camera) -> Array:
    """(rows, columns) length of the rays within an ellipsoid, m: 2 sqrt(b^2 - a c) / a for |o + t d|^2 = 1, scaled."""
    rows, columns = camera.shape
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    direction = camera.rays(grid) / body.size
    origin = (camera.source - body.centre) / body.size
    a, b = (direction**2).sum(axis=1), direction @ origin
    return np.asarray(2.0 * np.sqrt(np.maximum(b**2 - a * (origin @ origin - 1.0), 0.0)) / a).reshape(rows, columns)


@dataclass(frozen=True)
class Chest:
    """One patient's bodies: those of soft tissue, and bones as tubes with the part that their inside takes away."""

    soft: tuple[Body, ...]
    bones: Lumen
    marrow: Lumen


def chest(rng: np.random.Generator) -> Chest:
    """A patient about the isocentre, which lies in the heart: usual places with a little chance."""
    jitter = rng.normal(0.0, 1.0, 14)
    heart = Body(
        np.array([0.005, 0.0, -0.012]) + 4e-3 * jitter[:3],
        np.array([0.064, 0.058, 0.060]) * (1.0 + 0.04 * jitter[3]),
        True,
    )
    vessels = Body(np.array([-0.025, 0.005, 0.060]) + 4e-3 * jitter[8:11], np.array([0.035, 0.040, 0.070]), True)
    atria = Body(np.array([-0.035, 0.030, 0.000]) + 4e-3 * jitter[11:], np.array([0.034, 0.026, 0.038]), True)
    top = -0.062 + 0.010 * jitter[4]
    domes = [
        Body(np.array([x, y, top - lower - 0.10]), np.array([0.10, 0.11, 0.10]), True)
        for x, y, lower in ((0.055, 0.0, 0.012), (-0.075, 0.01, 0.0))
    ]
    spine = np.array([-0.045 + 4e-3 * jitter[5], 0.085 + 5e-3 * jitter[6], 0.0])
    bones, marrow = [], []
    for number in range(-5, 6):
        place = spine + np.array([0.0, 0.0, 0.030 * number + 8e-3 * jitter[7]])
        bones.append(_vertebra(place, 0.0))
        marrow.append(_vertebra(place, 1e-3))
        for side in (-1.0, 1.0):
            points = _rib(place, side)
            bones.append(_hollow("rib", points, (6.5e-3, 4e-3), 0.0))
            marrow.append(_hollow("rib", points, (6.5e-3, 4e-3), 1e-3))
    return Chest((heart, vessels, atria, *domes), joined(bones), joined(marrow))


def _hollow(name: str, points: Array, semi_axes: tuple[float, float], less: float) -> Lumen:
    n = len(points)
    sizes = np.repeat([np.array(semi_axes) - less], n, axis=0)
    return tube(name, points, sizes, np.zeros(n), 0.8e-3)


def _vertebra(place: Array, less: float) -> Lumen:
    height = np.linspace(-0.0135 + less, 0.0135 - less, 9)
    waist = 1.0 - 0.10 * np.cos(0.5 * np.pi * height / 0.0135)
    sizes = waist[:, None] * np.array([0.016, 0.021]) - less
    return tube("vertebra", place + height[:, None] * np.array([0.0, 0.0, 1.0]), sizes, np.zeros(9), 0.8e-3)


def _rib(place: Array, side: float) -> Array:
    """(n, 3) from the spine round the chest to the front, which lies lower."""
    turn = np.linspace(0.1, 0.85 * np.pi, 60)
    centre = place - np.array([0.0, 0.100, 0.0])
    drop = -0.075 * (1.0 - np.cos(turn)) / 2.0
    return np.asarray(
        centre + np.stack([side * 0.125 * np.sin(turn), 0.105 * np.cos(turn), drop - 0.02 * np.sin(turn)], axis=1)
    )


@dataclass(frozen=True)
class Background:
    """Absorption of all that is not contrast in one view; what breathes is worked out anew for each breath."""

    camera: Camera
    still: Array
    soft: tuple[Body, ...]
    tissue: float

    def at(self, breath: float) -> Array:
        """(rows, columns) nepers, the breath being so far towards the feet, m."""
        down = np.array([0.0, 0.0, breath])
        soft = sum((chord(replace(body, centre=body.centre - down), self._coarse) for body in self.soft), np.zeros(1))
        return self.still + self.tissue * _enlarged(np.asarray(soft), self.camera.shape) if self.soft else self.still

    @property
    def _coarse(self) -> Camera:
        return coarse(self.camera)


def coarse(camera: Camera) -> Camera:
    """The same view with fewer, larger pixels."""
    rows, columns = camera.shape
    fewer = (max(1, rows // _COARSE), max(1, columns // _COARSE))
    pixel = (camera.pixel[0] * rows / fewer[0], camera.pixel[1] * columns / fewer[1])
    return replace(camera, pixel=pixel, shape=fewer)


def _enlarged(image: Array, shape: tuple[int, int]) -> Array:
    factor = shape[0] / image.shape[0], shape[1] / image.shape[1]
    return np.asarray(zoom(image, factor, order=2, mode="nearest", grid_mode=True))


def background(camera: Camera, body: Chest, options: SceneOptions, rng: np.random.Generator) -> Background:
    """The clutter of one view."""
    still = options.markings * texture(camera, rng)
    if options.bone > 0.0:
        view = coarse(camera)
        seen = [in_view(part, view, 0.2) for part in (body.bones, body.marrow)]
        outer, inner = (path_length(part, sampled(part, view), view) for part in seen)
        bones = gaussian_filter(outer - 0.8 * inner, 0.7)
        still = still + options.bone * _enlarged(bones, camera.shape)
    return Background(camera, still, body.soft if options.tissue > 0.0 else (), options.tissue)


def texture(camera: Camera, rng: np.random.Generator) -> Array:
    """(rows, columns) random field of mean 0 and deviation 1 with a power spectrum of 1 / frequency^3.

    Mammograms follow such a law (Burgess, Jacobson and Judy 2001, Med Phys 28:419); for angiograms not confirmed.
    """
    rows, columns = camera.shape
    frequency = np.hypot(np.fft.fftfreq(rows, camera.pixel[0])[:, None], np.fft.rfftfreq(columns, camera.pixel[1]))
    lowest = 1.0 / (rows * camera.pixel[0])
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns))) / np.maximum(frequency, lowest) ** 1.5
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(rows, columns))
    return np.asarray(field / field.std())


def catheter_course(tree: VesselTree) -> Array:
    """(n, 3) from the ostium back across the aortic root, up the ascending aorta and out of the field, m."""
    root = tree.root
    backwards = -np.asarray(root.tangent[0])
    up = np.array([0.0, 0.0, 1.0])
    flat = backwards - (backwards @ up) * up
    flat = flat / max(float(np.linalg.norm(flat)), 1e-9)
    turn = root.points[0] + 0.022 * flat + 0.060 * up
    way = bridge(root.points[0], backwards, turn, up)
    whole = np.concatenate([way, turn + np.linspace(0.002, 0.10, 50)[:, None] * up])
    arc = arc_length(whole)
    return np.stack([np.interp(np.arange(0.0, arc[-1], 1e-3), arc, whole[:, k]) for k in range(3)], axis=1)


def catheter(tree: VesselTree, options: SceneOptions, step: float) -> tuple[Lumen, Lumen]:
    """The catheter's outside and its channel, as tubes."""
    course = catheter_course(tree)
    outer = 0.5 * options.catheter
    sizes = [np.full((len(course), 2), radius) for radius in (outer, outer - options.catheter_wall)]
    outside, channel = (tube("catheter", course, size, np.zeros(len(course)), step) for size in sizes)
    return outside, channel
