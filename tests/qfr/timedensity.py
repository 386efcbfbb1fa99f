"""An exact time-density truth: rings of fluid carried by a parabolic profile in pulsatile flow, drawn as a cine.

Made apart from hemo's estimator: every ring's place is worked out by itself from the flow's own history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hemo.qfr.camera import Camera
from hemo.qfr.cine import Cine, Contours

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    velocity: float = 0.2  # m/s, mean over the beat and the cross-section
    length: float = 0.07
    frame_rate: float = 15.0
    beat: float = 0.8
    pulsatility: float = 1.0  # 0 for steady flow
    phase: float = 0.0
    start: float = 0.6  # s, of the injection
    rise: float = 0.25
    lasts: float = 2.5
    duration: float = 4.0
    motion: float = 2.0  # pixels
    noise: float = 0.02  # of the absorption, a pixel
    blur: float = 1.0
    bluntness: float = 2.0  # power of the profile: 2 parabolic
    seed: int = 0


def waveform(phase: Array, pulsatility: float) -> Array:
    """A left coronary's velocity over its mean: a low systole, a steep rise, a decaying diastole."""
    grid = np.arange(0.0, 1.0, 1e-3)
    diastolic = 0.75 + 0.85 * np.exp(-(grid - 0.38) / 0.35)
    raw = np.where(grid < 0.38, 0.55 + 0.15 * np.sin(np.pi * grid / 0.38), diastolic)
    raw = gaussian_filter(raw, 25.0, mode="wrap")
    raw /= raw.mean()
    return 1.0 + pulsatility * (np.interp(phase % 1.0, np.append(grid, 1.0), np.append(raw, raw[0])) - 1.0)


def injected(time: Array, truth: Truth) -> Array:
    """Concentration where contrast enters: a smooth rise, a plateau, a fall."""
    up = np.clip((time - truth.start) / truth.rise, 0.0, 1.0)
    down = np.clip((truth.start + truth.lasts - time) / (2.0 * truth.rise), 0.0, 1.0)
    return np.asarray(up**2 * (3 - 2 * up) * down)


def concentration(arc: Array, times: Array, truth: Truth, rings: int = 400) -> Array:
    """(k, n) mean over the cross-section, exact but for the number of rings of equal area."""
    clock = np.arange(-2.0, truth.duration + 0.5, 1e-3)
    speed = truth.velocity * waveform(clock / truth.beat + truth.phase, truth.pulsatility)
    gone = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * 1e-3)])
    here = np.interp(times, clock, gone)
    total = np.zeros((len(times), len(arc)))
    power = truth.bluntness
    for share in (np.arange(rings) + 0.5) / rings:
        relative = (1.0 + 2.0 / power) * (1.0 - share ** (0.5 * power))
        total += injected(np.interp(here[:, None] - arc[None, :] / relative, gone, clock), truth)
    return total / rings


def cine(truth: Truth, size: int = 256) -> tuple[Cine, Contours, Array]:
    """The cine, the midline with its edges on one frame, and the arc length at the midline's points, m."""
    rng = np.random.default_rng(truth.seed)
    times = np.arange(0.0, truth.duration, 1.0 / truth.frame_rate)
    u = np.linspace(0.0, 1.0, 400)
    bow, tilt = rng.uniform(15.0, 40.0), rng.uniform(-0.3, 0.3)
    path = np.column_stack(
        [0.12 * size + 0.76 * size * u, 0.5 * size + bow * np.sin(np.pi * u) + tilt * size * (u - 0.5)]
    )
    pixels = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    foreshortened = 1.0 + 0.4 * np.sin(2 * np.pi * (u + rng.uniform()))
    arc = np.concatenate([[0.0], np.cumsum(np.diff(pixels) * 0.5 * (foreshortened[1:] + foreshortened[:-1]))])
    arc *= truth.length / arc[-1]
    half = np.linspace(5.0, 3.5, len(u))
    rows, columns = np.mgrid[:size, :size].astype(float)
    structure = 0.5 * gaussian_filter(rng.normal(size=(size, size)), 12.0) * 12.0
    contrast = concentration(arc, times, truth)
    shown = int(np.argmin(abs(times - truth.start - 0.7 * truth.lasts)))
    heart = rng.uniform()
    moves = np.stack([_motion(times, truth, heart), 0.6 * _motion(times, truth, heart + 0.2)], axis=1)
    frames = np.empty((len(times), size, size), dtype=np.float32)
    for k in range(len(times)):
        line = path + moves[k]
        near, away = _nearest(columns, rows, line)
        thick = 2.0 * np.sqrt(np.maximum(half[near] ** 2 - away**2, 0.0)) / (2.0 * half[0])
        inside = (near > 0) & (near < len(u) - 1)
        vessel = 0.5 * thick * inside * contrast[k][near]
        moving = 0.15 * gaussian_filter(np.roll(structure, round(moves[k, 0]), axis=1), 2.0)
        absorbed = gaussian_filter(vessel, truth.blur) + structure + moving
        absorbed += rng.normal(scale=truth.noise, size=absorbed.shape)
        frames[k] = 2000.0 * np.exp(-absorbed)
    drawn = path + moves[shown]
    tangent = np.gradient(drawn, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    left = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1) * half[:, None]
    camera = Camera(0.0, 0.0, 1.1, 0.76, (3e-4, 3e-4), (size, size))
    pick = slice(None, None, 4)
    return (
        Cine(frames, times, camera),
        Contours(shown, drawn[pick], (drawn + left)[pick], (drawn - left)[pick]),
        arc[pick],
    )


def _motion(times: Array, truth: Truth, phase: float) -> Array:
    turn = 2 * np.pi * (times / truth.beat + phase)
    return truth.motion * (0.7 * np.sin(turn) + 0.3 * np.sin(2 * turn + 0.7))


def _nearest(columns: Array, rows: Array, line: Array) -> tuple[NDArray[np.int64], Array]:
    """Of every pixel: the line's point nearest to it and how far it is (the line is a graph over the columns)."""
    from scipy.spatial import cKDTree

    band = abs(rows - np.interp(columns, line[:, 0], line[:, 1])) < 20.0
    near, away = np.zeros(columns.shape, dtype=int), np.full(columns.shape, 99.0)
    away[band], near[band] = cKDTree(line).query(np.column_stack([columns[band], rows[band]]))
    return near, away
