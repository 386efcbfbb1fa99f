"""Short edges are taken out without harm to topology, parts and shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.geometry.lumen.surfacecheck import edge_table
from hemo.geometry.mesh.clipping import TaggedSurface, keep_flat_ends
from hemo.geometry.mesh.collapsing import collapse_short_edges
from hemo.geometry.synthetic.vessels import straight_stenosis


def tube() -> TaggedSurface:
    surface, tree = straight_stenosis(3e-3, 15e-3, 0.0)
    return keep_flat_ends(surface, tree).surface


def lengths(surface: TaggedSurface) -> np.ndarray:
    edges, _, count = edge_table(surface.triangles)
    assert np.all(count == 2)
    return np.linalg.norm(surface.points[edges[:, 0]] - surface.points[edges[:, 1]], axis=1)


def with_needles(surface: TaggedSurface, seed: int, count: int) -> TaggedSurface:
    """Triangles split at a place very near one of their corners."""
    rng = np.random.default_rng(seed)
    points, triangles, tags = surface.points, surface.triangles, surface.tags
    for triangle in rng.choice(len(triangles), count, replace=False):
        a, b, c = triangles[triangle]
        new = len(points)
        points = np.vstack([points, 0.99 * points[a] + 0.005 * points[b] + 0.005 * points[c]])
        triangles = np.vstack([triangles, [[a, new, c], [new, b, c]]])
        tags = np.append(tags, [tags[triangle]] * 2).astype(np.int32)
        triangles[triangle] = [a, b, new]
    return replace(surface, points=points, triangles=triangles, tags=tags)


@pytest.mark.parametrize("seed", range(3))
def test_needles_go_and_the_rest_stays(seed: int) -> None:
    whole = tube()
    needled = with_needles(whole, seed, 200)
    assert lengths(needled).min() < 0.01e-3
    healed = collapse_short_edges(needled, np.full(len(needled.points), 0.03e-3), passes=20)
    assert lengths(healed).min() > 0.03e-3
    assert healed.genus == 0
    assert len(healed.triangles) == len(whole.triangles)
    assert healed.volume == pytest.approx(whole.volume, rel=1e-4)
    for tag in (2, 3):
        assert healed.cap_area(tag) == pytest.approx(whole.cap_area(tag), rel=1e-4)
        centre, normal = healed.planes[tag]
        assert np.abs((healed.points[healed.triangles[healed.tags == tag]] - centre) @ normal).max() < 1e-15


def test_a_coarser_surface_keeps_rims_and_orientation() -> None:
    whole = tube()  # edges of about 0.1 mm round and 0.25 mm along
    coarse = collapse_short_edges(whole, np.full(len(whole.points), 0.15e-3), passes=8)
    assert len(coarse.points) < 0.8 * len(whole.points)
    assert coarse.genus == 0
    assert coarse.volume == pytest.approx(whole.volume, rel=0.01)
    a, b, c = (coarse.points[coarse.triangles[:, i]] for i in range(3))
    outward = np.cross(b - a, c - a)[coarse.tags == 1]
    middle = ((a + b + c) / 3.0)[coarse.tags == 1]
    assert np.all(np.einsum("ij,ij->i", outward[:, :2], middle[:, :2]) > 0.0)
    for tag, z in ((2, 0.0), (3, 15e-3)):
        assert np.abs(coarse.points[coarse.triangles[coarse.tags == tag]][:, :, 2] - z).max() < 1e-15


def test_a_small_rim_is_left_alone() -> None:
    """Even where every edge counts as short, a cap keeps vertices round it."""
    surface, tree = straight_stenosis(3e-3, 2e-3, 0.0)
    whole = keep_flat_ends(surface, tree).surface
    coarse = collapse_short_edges(whole, np.full(len(whole.points), 5e-3), passes=25)
    lengths(coarse)
    assert len(coarse.points) < 0.3 * len(whole.points)
    assert coarse.genus == 0
    for tag in (2, 3):
        rim = np.intersect1d(coarse.triangles[coarse.tags == tag], coarse.triangles[coarse.tags == 1])
        assert len(rim) >= 4
        assert coarse.cap_area(tag) > 0.5 * whole.cap_area(tag)
