"""Contours of known size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from hemo.geometry.intravascular.assembling import Outline, Reading, assembled
from hemo.geometry.intravascular.contours import Pullback


def circle(radius, centre=(0.0, 0.0), points=120):
    """(k, 2) mm, of exactly the circle's area."""
    angle = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    exact = radius * np.sqrt(2.0 * np.pi / points / np.sin(2.0 * np.pi / points))
    return np.asarray(centre) + exact * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ellipse(a, b, points=200):
    return circle(1.0, points=points) * [a, b]


def ring(inner, outer, arc, start=0.0, points=60):
    """A piece of a ring over ``arc`` degrees, mm."""
    angle = np.radians(start + np.linspace(0.0, arc, points))
    ray = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ends = np.linspace(outer, inner, 12)[1:-1, None]
    return np.vstack([outer * ray, ends * ray[-1], inner * ray[::-1], ends[::-1] * ray[0]])


def made(radii, spacing=0.5, extra=None, ostium=None, name="made", **reading) -> Pullback:
    """Round lumens, mm, the first frame (1) distal unless told otherwise; ``extra`` {frame: [(kind, outline)]}."""
    outlines = []
    for number, radius in enumerate(radii, 1):
        # No two frames of a real pullback are one and the same.
        z = spacing * (number - 1)
        outlines.append(Outline("lumen", number, z, circle(radius * (1.0 + 1e-7 * number)), name))
        outlines += [Outline(kind, number, z, points, name) for kind, points in (extra or {}).get(number, [])]
    return assembled(name, name, outlines, ostium, Reading(**({"first": "distal"} | reading)))


def write_csv(path: Path, frames, separator="\t"):
    """``frames`` {number: (z, outline)}."""
    rows = [
        separator.join([str(number), *(repr(float(v)) for v in point), repr(float(z))])
        for number, (z, outline) in frames.items()
        for point in np.vstack([outline, outline[:1]])
    ]
    path.write_text("\n".join(rows) + "\n")


def folder(path: Path, count=16, spacing=0.5):
    """A folder with lumen, EEM, calcium, stent, side branch and mark; the known numbers are in the tests."""
    path.mkdir(parents=True, exist_ok=True)
    place = spacing * np.arange(count)
    middle = place[-1] / 2
    radius = 1.5 - 0.6 * np.exp(-(((place - middle) / 1.5) ** 2))
    wobble = 1e-7 * np.arange(count)
    write_csv(path / "diastolic_contours.csv", {n + 1: (place[n], circle(radius[n] + wobble[n])) for n in range(count)})
    write_csv(path / "eem_diastolic_contours.csv", {n + 1: (place[n], circle(2.0)) for n in range(count)})
    calcium = {n + 1: (place[n], ring(radius[n] + 0.02, radius[n] + 0.42, 150.0)) for n in range(5, 10)}
    write_csv(path / "calcium_diastolic_contours.csv", calcium)
    (path / "diastolic_reference_points.csv").write_text(f"{count}\t1.0\t2.0\t{place[-1]}\n")
    return path


def as_json(path: Path, count=10, **more):
    frames = [
        {"number": n + 1, "z": 0.4 * n, "lumen": circle(1.3 + 0.01 * n).tolist(), "stent": circle(1.25).tolist()}
        for n in range(count)
    ]
    path.write_text(json.dumps({"schema_version": 1, "name": "j", "frames": frames} | more))
    return path
