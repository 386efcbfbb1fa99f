"""How pixels change with points and cameras, and points from pixels: what least squares over views are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.qfr.camera import Camera

Array = NDArray[Any]


def image_gradient(camera: Camera, points: Array) -> Array:
    """(n, 2, 3) derivative of the pixels of points (n, 3) by the points, 1/m."""
    matrix = camera.matrix
    seen = points @ matrix[:, :3].T + matrix[:, 3]
    pixels = seen[:, :2] / seen[:, 2:]
    return np.asarray((matrix[None, :2, :3] - pixels[:, :, None] * matrix[None, None, 2, :3]) / seen[:, 2, None, None])


def moved(camera: Camera, change: Array) -> Camera:
    """The camera with (5,) added to its shift (m) and to its primary and secondary angle (rad)."""
    shift = np.array(camera.shift) + change[:3]
    return replace(
        camera,
        shift=(float(shift[0]), float(shift[1]), float(shift[2])),
        primary_angle=camera.primary_angle + float(change[3]),
        secondary_angle=camera.secondary_angle + float(change[4]),
    )


def difference(camera: Camera, other: Camera) -> Array:
    """(5,) what has to be added to the other's shift (m) and angles (rad) to get the camera."""
    shift = np.array(camera.shift) - np.array(other.shift)
    angles = [camera.primary_angle - other.primary_angle, camera.secondary_angle - other.secondary_angle]
    return np.concatenate([shift, angles])


def camera_gradient(camera: Camera, points: Array) -> Array:
    """(n, 2, 5) derivative of the pixels of points by the camera's shift and angles."""
    step = 1e-5
    turns = step * np.eye(5)[3:]
    sides = [(moved(camera, turn).project(points), moved(camera, -turn).project(points)) for turn in turns]
    by_angles = np.stack([(up - down) / (2.0 * step) for up, down in sides], axis=2)
    return np.concatenate([image_gradient(camera, points), by_angles], axis=2)


def triangulated(cameras: Sequence[Camera], first: Array, second: Array) -> Array:
    """(n, 3) the middles of the shortest lines between the rays through pixels (n, 2) of two views, m."""
    one, other = cameras[0].rays(first), cameras[1].rays(second)
    between = cameras[1].source - cameras[0].source
    cosine = (one * other).sum(axis=1)
    sine = 1.0 - cosine**2
    on_one = (one @ between - cosine * (other @ between)) / sine
    on_other = (cosine * (one @ between) - other @ between) / sine
    return np.asarray(0.5 * (cameras[0].source + on_one[:, None] * one + cameras[1].source + on_other[:, None] * other))


def landmark_rows(cameras: Sequence[Camera], places: Array, landmarks: Array) -> tuple[Array, Array]:
    """What landmarks (l, 2, 2) seen in two views say of the second camera and of their places (l, 3).

    Returns (4 l, 5 + 3 l) derivatives of pixels by the second camera's shift and angles and by the places, and (4 l,)
    distances of the places' images from the landmarks, pixels.
    """
    count = len(places)
    rows, residual = np.zeros((2, count, 2, 5 + 3 * count)), np.zeros((2, count, 2))
    for view, camera in enumerate(cameras):
        gradient = image_gradient(camera, places)
        for number in range(count):
            rows[view, number, :, 5 + 3 * number : 8 + 3 * number] = gradient[number]
        residual[view] = camera.project(places) - landmarks[:, view]
    rows[1, :, :, :5] = camera_gradient(cameras[1], places)
    return rows.reshape(-1, 5 + 3 * count), residual.ravel()
