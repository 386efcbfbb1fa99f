"""The curve in space and the offset of the second view that together explain two midlines best.

Least squares over the curve's control points, the second camera's shift (and, if wanted, its angles) and the landmarks'
places, by Gauss and Newton. Every term is divided by how far it is expected to be off, so the result is the most likely
curve, and the inverse of the normal matrix tells how well the offset is known:

- the curve's images lie on the midlines: distance across the midline only, for where along it is not known;
- where along it, only the widths tell (their profiles agree), and the ends of the match and landmarks, loosely;
- landmarks are seen where they were marked, wherever they are in space;
- the curve is smooth: a penalty on its third derivative;
- the offset is small; along the line through both sources it is naught. Moving a source along it enlarges the vessel
  about the other source and leaves both images as they are, so that nothing tells; left free, it would be drawn to
  where the vessel is smallest, which bends least (20 mm, 5 % too short).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from hemo.qfr.camera import Camera
from hemo.qfr.midline import Midline, feet, uniform_knots
from hemo.qfr.projection import camera_gradient, image_gradient, landmark_rows, moved, triangulated
from hemo.tree import arc_length

Array = NDArray[Any]

UNSEEN = 1e-6  # m: what no image tells is held to this


@dataclass(frozen=True)
class BundleOptions:
    """How far things are expected to be off.

    Attributes
    ----------
    midline, landmark, end
        Of a midline across, of a landmark, and of the ends of the match along the midline; pixels.
    width
        Of the ratio of the widths of both views, relative.
    bend
        Third derivative of the curve by its length, 1/m^2: curvatures of coronary vessels, tenths of 1/mm, change over
        centimetres.
    memory
        Length along the vessel within which errors are alike, m.
    offset, angle
        Of the second camera's shift, m, and of its angles, rad; 0 leaves them as they are.
    knots
        Distance of the curve's knots, m.
    samples
        Distance of the places that are compared, m.
    iterations
        At most; what still changes then slides along the vessel.
    """

    midline: float = 0.15
    landmark: float = 1.0
    end: float = 5.0
    width: float = 0.25
    bend: float = 1e4
    memory: float = 2e-3
    offset: float = 5e-3
    angle: float = 0.0
    knots: float = 2.5e-3
    samples: float = 0.4e-3
    iterations: int = 15

    @property
    def held(self) -> Array:
        """(5,) what the second camera's shift (m) and angles (rad) are expected to be off.

        What is not to move is held by an expectation far below what could be seen.
        """
        return np.maximum(np.array(3 * [self.offset] + 2 * [self.angle]), 1e-9)


@dataclass(frozen=True)
class Bundle:
    """A fitted curve.

    Attributes
    ----------
    curve
        Of a parameter from 0 to 1, proximal to distal; (k, 3) m.
    cameras
        The first as it was, the second corrected.
    covariance
        (5, 5) of the second camera's shift (m) and of its two angles (rad).
    places
        (n, 2) where the samples' images lie on both midlines, arc lengths, pixels.
    samples
        (n,) parameters of the samples.
    residual
        (n, 2) signed distance of the curve's images from the midlines, pixels.
    """

    curve: BSpline
    cameras: tuple[Camera, Camera]
    covariance: Array
    places: Array
    samples: Array
    residual: Array


class _System:
    """Rows of weighted residuals, gathered into normal equations of curve, camera and landmarks."""

    def __init__(self, size: int) -> None:
        self.matrix, self.right = np.zeros((size, size)), np.zeros(size)

    def add(self, rows: Array, residual: Array) -> None:
        self.matrix += rows.T @ rows
        self.right -= rows.T @ residual


@dataclass
class _Fit:
    """What is fitted, and the data it is fitted to."""

    lines: Sequence[Midline]
    cameras: tuple[Camera, Camera]
    landmarks: Array  # (l, 2, 2) pixels
    ends: Array  # (2, 2) arc lengths on both midlines of the first and the last place matched
    knots: Array
    samples: Array
    control: Array  # (k, 3)
    marked: Array  # (l, 3)
    change: Array  # (5,)
    length: float
    options: BundleOptions
    places: Array  # (n, 2) arc lengths on both midlines

    def __post_init__(self) -> None:
        self.basis = BSpline.design_matrix(self.samples, self.knots, 3).toarray()

    @property
    def second(self) -> Camera:
        return moved(self.cameras[1], self.change)

    def system(self) -> _System:
        """Normal equations about the present state."""
        count, points = len(self.control), self.basis @ self.control
        system = _System(3 * count + 5 + 3 * len(self.marked))
        every = self.length / len(self.samples)
        weight = np.sqrt(every / self.options.memory)
        along, widths = [], []
        for view, camera in enumerate((self.cameras[0], self.second)):
            line, place = self.lines[view], self.places[:, view]
            rows, offset, tangent = self.seen(view, camera, points, place)
            normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
            across = np.einsum("nd,ndp->np", normal, rows)
            system.add(weight / self.options.midline * across, weight / self.options.midline * _dot(normal, offset))
            along.append(np.einsum("nd,ndp->np", tangent, rows))
            slope = np.where((place > 0.0) & (place < line.arc[-1]), np.interp(place, line.arc, line.log_slope), 0.0)
            widths.append((np.interp(place, line.arc, line.log_width), slope[:, None] * along[-1]))
            last = [0, -1]
            ahead = _dot(tangent, offset)[last] + place[last] - self.ends[:, view]
            system.add(along[-1][last] / self.options.end, ahead / self.options.end)
        (one, by_one), (other, by_other) = widths
        ratio, by_ratio = one - other, by_one - by_other
        scale = weight / self.options.width
        system.add(scale * (by_ratio - by_ratio.mean(axis=0)), scale * (ratio - ratio.mean()))
        self._smoothness(system)
        self._landmarks(system)
        self._offset(system)
        return system

    def seen(self, view: int, camera: Camera, points: Array, place: Array) -> tuple[Array, Array, Array]:
        """Derivatives (n, 2, parameters) of the samples' images, their distance from the feet, and the tangents."""
        line = self.lines[view]
        inside = np.clip(place, 0.0, line.arc[-1])
        tangent = np.stack([np.interp(inside, line.arc, line.tangent[:, k]) for k in range(2)], axis=1)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        foot = line.at(inside) + (place - inside)[:, None] * tangent
        rows = np.zeros((len(points), 2, 3 * len(self.control) + 5 + 3 * len(self.marked)))
        curve = np.einsum("ndx,nk->ndkx", image_gradient(camera, points), self.basis)
        rows[:, :, : 3 * len(self.control)] = curve.reshape(len(points), 2, -1)
        if view == 1:
            rows[:, :, 3 * len(self.control) : 3 * len(self.control) + 5] = camera_gradient(camera, points)
        return rows, camera.project(points) - foot, tangent

    def _smoothness(self, system: _System) -> None:
        count = len(self.control)
        step = self.length / (count - 3)
        third = np.diff(np.eye(count), 3, axis=0) / step**2.5 / (self.options.bend * np.sqrt(5e-3))
        rows = np.zeros((3 * len(third), len(system.right)))
        rows[:, : 3 * count] = np.kron(third, np.eye(3))
        system.add(rows, (third @ self.control).ravel())

    def _landmarks(self, system: _System) -> None:
        own, residual = landmark_rows((self.cameras[0], self.second), self.marked, self.landmarks)
        rows = np.zeros((len(own), len(system.right)))
        rows[:, 3 * len(self.control) :] = own
        system.add(rows / self.options.landmark, residual / self.options.landmark)

    def _offset(self, system: _System) -> None:
        held, first = self.options.held, 3 * len(self.control)
        rows = np.zeros((6, len(system.right)))
        rows[:5, first : first + 5] = np.diag(1.0 / held)
        rows[5, first : first + 3] = through(self.cameras) / UNSEEN
        system.add(rows, rows[:, first : first + 5] @ self.change)

    def step(self, by: Array) -> None:
        """Move everything, and find the feet of the new images."""
        count = 3 * len(self.control)
        self.control = self.control + by[:count].reshape(-1, 3)
        self.change = self.change + by[count : count + 5]
        self.marked = self.marked + by[count + 5 :].reshape(-1, 3)
        self.find_feet()

    def find_feet(self, reach: float = 25.0) -> None:
        points = self.basis @ self.control
        for view, camera in enumerate((self.cameras[0], self.second)):
            line = self.lines[view]
            seen = camera.project(points)
            self.places[:, view] = feet(seen, line.points, line.arc, self.places[:, view], reach)


def bundle(
    cameras: tuple[Camera, Camera],
    lines: Sequence[Midline],
    places: tuple[Array, Array],
    landmarks: Array | None = None,
    change: Array | None = None,
    options: BundleOptions | None = None,
) -> Bundle:
    """Fit the curve and the second camera's offset.

    Parameters
    ----------
    cameras, lines
        Two each.
    places
        Matched arc lengths (k,) on both midlines, pixels.
    landmarks
        (l, 2, 2) pixels of places seen in both views: landmark, view, column and row.
    change
        (5,) the second camera's offset to begin with.
    """
    options = options or BundleOptions()
    fit = _begun(cameras, lines, places, landmarks, np.zeros(5) if change is None else change, options)
    for _ in range(options.iterations):
        system = fit.system()
        by = np.linalg.solve(system.matrix, system.right)
        # A change is not trusted beyond what the images' tangents can tell.
        furthest = float(np.abs(by[: 3 * len(fit.control)]).max())
        fit.step(by * min(1.0, 4e-3 / max(furthest, 1e-12)))
        if furthest < 1e-5:
            break
    system = fit.system()
    camera = slice(3 * len(fit.control), 3 * len(fit.control) + 5)
    covariance = np.linalg.inv(system.matrix)[camera, camera]
    along = through(cameras)
    covariance[:3, :3] += options.held[0] ** 2 * np.outer(along, along)
    points = fit.basis @ fit.control
    both = (cameras[0], fit.second)
    residual = []
    for view, own in enumerate(both):
        _, offset, tangent = fit.seen(view, own, points, fit.places[:, view])
        residual.append(-tangent[:, 1] * offset[:, 0] + tangent[:, 0] * offset[:, 1])
    curve = BSpline(fit.knots, fit.control, 3)
    return Bundle(curve, both, covariance, fit.places.copy(), fit.samples, np.stack(residual, axis=1))


def through(cameras: tuple[Camera, Camera]) -> Array:
    """(3,) unit vector from the first source to the second."""
    between = cameras[1].source - cameras[0].source
    return np.asarray(between / np.linalg.norm(between))


def _begun(
    cameras: tuple[Camera, Camera],
    lines: Sequence[Midline],
    places: tuple[Array, Array],
    landmarks: Array | None,
    change: Array,
    options: BundleOptions,
) -> _Fit:
    """A curve through the triangulated match, smooth enough to begin from."""
    now = (cameras[0], moved(cameras[1], change))
    points = triangulated(now, lines[0].at(places[0]), lines[1].at(places[1]))
    # The middle place of the walk in both images tells where along the vessel a pair is, better than noisy depths.
    steps = np.hypot(np.diff(places[0]), np.diff(places[1]))
    share = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    for _ in range(2):
        count = max(4, len(points) // 4)
        knots = uniform_knots(0.0, 1.0, count)
        control = _penalised(share, points, knots, 1e-2)
        fine = BSpline(knots, control, 3)(np.linspace(0.0, 1.0, 400))
        run = arc_length(fine)
        length = float(run[-1])
        share = np.interp(share, np.linspace(0.0, 1.0, 400), run / length)
    knots = uniform_knots(0.0, 1.0, max(4, round(length / options.knots)))
    control = _penalised(share, points, knots, 1e-2)
    samples = np.linspace(0.0, 1.0, max(20, round(length / options.samples)))
    marks = np.zeros((0, 2, 2)) if landmarks is None else landmarks
    marked = triangulated(now, marks[:, 0], marks[:, 1]) if len(marks) else np.zeros((0, 3))
    ends = np.array([[places[0][0], places[1][0]], [places[0][-1], places[1][-1]]])
    guess = np.stack([np.interp(samples, share, place) for place in places], axis=1)
    fit = _Fit(
        lines, cameras, marks, ends, knots, samples, control, marked, change.astype(float), length, options, guess
    )
    fit.find_feet()
    return fit


def _penalised(share: Array, points: Array, knots: Array, penalty: float) -> Array:
    basis = BSpline.design_matrix(np.clip(share, 0.0, 1.0), knots, 3).toarray()
    rough = np.diff(np.eye(basis.shape[1]), 2, axis=0)
    whole = basis.T @ basis + penalty * len(points) / basis.shape[1] * 10.0 * rough.T @ rough
    return np.asarray(np.linalg.solve(whole + 1e-9 * np.eye(len(whole)), basis.T @ points))


def _dot(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(axis=1))
