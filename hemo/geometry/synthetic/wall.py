"""The closed lumen surface of synthetic vessels, and their label map, both from the exact implicit function.

The surface is contoured by surface nets (Gibson 1998, MICCAI, LNCS 1496:888; one vertex in each cell that the
wall crosses) on a grid that exists only near the wall. Vertices are then moved onto the exact wall by Newton's
method, edges that are long for the local radius are halved with their middles on the wall, and the surface is
moved outwards by what its chords cut off, a few thousandths of the radius.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.image.labelimage import AORTA, CORONARY, LabelImage
from hemo.geometry.lumen.subdivision import split_triangles
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.lumen.surfacecheck import edge_table
from hemo.geometry.synthetic.tubes import Tube, union
from hemo.geometry.synthetic.vessels import SyntheticVessels
from hemo.triangles import triangle_areas, vertex_normals

Array = NDArray[Any]

# Edge length over local radius: the chords of an even triangulation take (L / r)^2 / 8 of the area.
_EDGE = 0.25
_CORNERS = np.array(list(product((0, 1), repeat=3)), dtype=np.int64)
_CELL_EDGES = [(a, b) for a, b in combinations(range(8), 2) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1]
_BITS = 20


def lumen_surface(vessels: SyntheticVessels, resolution: float = 0.25e-3, fillet: float = 0.3e-3) -> Surface:
    """The wall of the aortic stub and all coronaries as one closed surface; see :func:`wall_of`."""
    return wall_of(vessels.tubes, resolution, fillet)


def wall_of(tubes: tuple[Tube, ...], resolution: float = 0.25e-3, fillet: float = 0.3e-3) -> Surface:
    """The closed wall of a union of tubes.

    Parameters
    ----------
    resolution
        Grid spacing, m; it must resolve the smallest throat's diameter about twice.
    fillet
        Rounds the edges at junctions; sections are not touched where only one wall is within it, m.
    """
    origin = np.min([t.points.min(axis=0) - t.radius.max() for t in tubes], axis=0) - 4.0 * resolution

    def field(places: Array) -> tuple[Array, Array]:
        # Asked for no farther from the wall than a cell's diagonal: there, what is beyond this has no part in it.
        return union(tubes, places, 4.0 * resolution + fillet, fillet)

    keys, values = _near_wall(tubes, origin, resolution, fillet)
    points, triangles = _surface_net(keys, values)
    points = _onto_wall(origin + resolution * points, field, resolution)
    points, triangles = _refined(points, triangles, field, resolution)
    return Surface(_chords_returned(points, triangles, field, resolution), triangles)


def _near_wall(tubes: tuple[Tube, ...], origin: Array, h: float, fillet: float) -> tuple[Array, Array]:
    """Sorted keys (k,) of the grid points near the wall, all corners of each cell it crosses, and the field there."""
    high = np.max([t.points.max(axis=0) + t.radius.max() for t in tubes], axis=0) + 4.0 * h
    cubes: Array = np.stack(
        np.meshgrid(*[np.arange(0, int(n) + 16, 16) for n in (high - origin) / h], indexing="ij"), axis=-1
    ).reshape(-1, 3)
    # No cube that the wall crosses may be lost: the field grows faster than a distance beside bumps and steep walls.
    diagonals = np.sqrt(3.0) * max(1.6, *[1.1 * tube.steepness for tube in tubes])
    for size in (16, 8, 4, 2):
        reach = 0.5 * size * h * diagonals
        distance = union(tubes, origin + h * (cubes + 0.5 * size), reach + 0.5 * h, fillet, cautious=True)[0]
        cubes = cubes[np.abs(distance) < reach]
        if size > 2:
            cubes = (cubes[:, None, :] + size // 2 * _CORNERS).reshape(-1, 3)
    lattice = np.array(list(product((0, 1, 2), repeat=3)), dtype=np.int64)
    keys = np.unique(_key((cubes[:, None, :] + lattice).reshape(-1, 3)))
    values = union(tubes, origin + h * _unkey(keys), 8.0 * h, fillet)[0]
    return keys, np.where(values == 0.0, 1e-9 * h, values)


def _key(index: Array) -> Array:
    return (index[..., 0] << (2 * _BITS)) | (index[..., 1] << _BITS) | index[..., 2]


def _unkey(keys: Array) -> Array:
    mask = (1 << _BITS) - 1
    return np.stack([keys >> (2 * _BITS), (keys >> _BITS) & mask, keys & mask], axis=-1)


def _find(keys: Array, wanted: Array) -> Array:
    """Position of each wanted key, -1 where there is none."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def _surface_net(keys: Array, values: Array) -> tuple[Array, Array]:
    """Vertices (n, 3) in grid units and triangles (m, 3), normals outwards."""
    steps = _key(_CORNERS)
    corner = np.stack([_find(keys, keys + step) for step in steps], axis=1)
    whole = np.flatnonzero(np.all(corner >= 0, axis=1))
    cells, corner = keys[whole], corner[whole]
    values = _unambiguous(corner, values)
    inside = values[corner] < 0.0
    crossed = np.flatnonzero(np.any(inside, axis=1) & ~np.all(inside, axis=1))
    cells, corner = cells[crossed], corner[crossed]
    field = values[corner]
    total, count = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for a, b in _CELL_EDGES:
        cuts = (field[:, a] < 0.0) != (field[:, b] < 0.0)
        share = field[cuts, a] / (field[cuts, a] - field[cuts, b])
        total[cuts] += _CORNERS[a] + share[:, None] * (_CORNERS[b] - _CORNERS[a])
        count[cuts] += 1
    points = _unkey(cells) + total / count[:, None]
    quads = []
    for axis in range(3):
        step, u, v = (int(_key(np.eye(3, dtype=np.int64)[(axis + k) % 3])) for k in range(3))
        other = _find(keys, keys + step)
        edge = np.flatnonzero(other >= 0)
        edge = edge[(values[edge] < 0.0) != (values[other[edge]] < 0.0)]
        around = np.stack([_find(cells, keys[edge] + shift) for shift in (-u - v, -v, 0, -u)], axis=1)
        outwards = values[edge] < 0.0
        quads.append(np.where(outwards[:, None], around, around[:, ::-1]))
    quad = np.concatenate(quads)
    first = np.linalg.norm(points[quad[:, 0]] - points[quad[:, 2]], axis=1)
    second = np.linalg.norm(points[quad[:, 1]] - points[quad[:, 3]], axis=1)
    quad = np.where((first <= second)[:, None], quad, np.roll(quad, -1, axis=1))
    return points, np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])


def _unambiguous(corner: Array, values: Array) -> Array:
    """Field values (k,) with the smallest corner's sign turned where a cell's faces leave two ways to connect.

    Such faces (signs alternate round them) and cells (two opposite corners alone) lie where the wall touches a
    grid plane; without this the net would share an edge or a vertex between two sheets.
    """
    values = values.copy()
    faces = [np.flatnonzero(_CORNERS[:, axis] == side)[[0, 1, 3, 2]] for axis in range(3) for side in (0, 1)]
    opposite = np.array([7 - k for k in range(8)])
    for _ in range(20):
        inside = values[corner] < 0.0
        mixed = np.flatnonzero(np.any(inside, axis=1) & ~np.all(inside, axis=1))
        turned: list[Array] = []
        for face in faces:
            sign = inside[mixed][:, face]
            rows = mixed[(sign[:, 0] == sign[:, 2]) & (sign[:, 1] == sign[:, 3]) & (sign[:, 0] != sign[:, 1])]
            turned.append(_smallest(corner[rows][:, face], values))
        for rare in (True, False):
            alone = (inside[mixed] == rare).sum(axis=1) == 2
            pair = inside[mixed] == rare
            rows = mixed[alone & np.any(pair & pair[:, opposite], axis=1)]
            both = np.argsort(inside[rows] != rare, axis=1, kind="stable")[:, :2]
            turned.append(_smallest(np.take_along_axis(corner[rows], both, axis=1), values))
        change = np.unique(np.concatenate(turned))
        if not len(change):
            break
        values[change] = -values[change]
    return values


def _smallest(corner: Array, values: Array) -> Array:
    """Of each row of grid points the one with the smallest value."""
    return corner[np.arange(len(corner)), np.abs(values[corner]).argmin(axis=1)]


def _onto_wall(points: Array, field: Any, h: float, rounds: int = 3) -> Array:
    """Points moved along the field's gradient onto its zero."""
    probe = 0.01 * h
    for _ in range(rounds):
        value = field(points)[0]
        gradient = np.stack([(field(points + probe * e)[0] - value) / probe for e in np.eye(3)], axis=1)
        steepness = np.maximum((gradient**2).sum(axis=1), 0.25)
        step = (value / steepness)[:, None] * gradient
        size = np.linalg.norm(step, axis=1, keepdims=True)
        points = points - step * np.minimum(1.0, h / np.maximum(size, 1e-12))
    return points


def _refined(points: Array, triangles: Array, field: Any, h: float, rounds: int = 4) -> tuple[Array, Array]:
    """Edges longer than their share of the local radius halved, with their middles on the wall."""
    size = field(points)[1]
    done = []
    for _ in range(rounds):
        edges, of_triangle, _ = edge_table(triangles)
        length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        split = length > 1.4 * _EDGE * size[edges].min(axis=1)
        if not split.any():
            break
        middle = _onto_wall(points[edges[split]].mean(axis=1), field, h, rounds=2)
        number = np.full(len(edges), -1, dtype=np.int64)
        number[split] = len(points) + np.arange(len(middle))
        points, size = np.concatenate([points, middle]), np.concatenate([size, field(middle)[1]])
        middles = number[of_triangle]
        # Edges that are short enough stay so: only the new triangles are looked at again.
        whole = np.all(middles < 0, axis=1)
        done.append(triangles[whole])
        triangles = split_triangles(triangles[~whole], middles[~whole])
    return points, np.concatenate([*done, triangles])


def _chords_returned(points: Array, triangles: Array, field: Any, h: float) -> Array:
    """Vertices moved outwards by what the facets round them lie inside the wall, so that sections keep their area.

    The mean of the three edge middles is the mean of a quadratic over the triangle.
    """
    edges, of_triangle, _ = edge_table(triangles)
    depth = field(points[edges].mean(axis=1))[0]
    weight = triangle_areas(points[triangles])
    lost = np.repeat((weight * depth[of_triangle].mean(axis=1))[:, None], 3, axis=1)
    total = np.bincount(triangles.ravel(), lost.ravel(), len(points))
    mean = total / np.bincount(triangles.ravel(), np.repeat(weight, 3), len(points))
    return points - np.clip(mean, -0.05 * h, 0.05 * h)[:, None] * vertex_normals(points, triangles)


def label_map(
    vessels: SyntheticVessels,
    spacing: float | tuple[float, float, float] = 0.35e-3,
    direction: Array | None = None,
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
    margin: float = 3e-3,
) -> LabelImage:
    """Rasterise: a voxel belongs to the lumen that holds its centre, to the aorta where both do.

    Parameters
    ----------
    spacing
        Of the voxels along the image axes x, y, z, m.
    direction
        (3, 3) columns are the LPS unit vectors of the image axes; without it those of LPS.
    offset
        Moves the grid by these fractions of a voxel.
    margin
        Background around the lumen, m.
    """
    step = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (3,)).copy()
    turn = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64)
    local = np.concatenate(
        [
            (t.points @ turn)[:, None, :] + t.radius[:, None, None] * np.array([-1.0, 1.0])[:, None]
            for t in vessels.tubes
        ]
    ).reshape(-1, 3)
    low = local.min(axis=0) - margin - np.asarray(offset) * step
    shape = np.ceil((local.max(axis=0) + margin - low) / step).astype(int) + 1
    image = LabelImage(np.zeros(shape[::-1], dtype=np.uint8), turn @ low, step, turn)
    flat = image.labels.reshape(-1)
    for part, label in ((False, CORONARY), (True, AORTA)):
        for tube in (t for t in vessels.tubes if (t.name == "aorta") is part):
            voxels = _voxels_near(tube, image)
            inside = tube.signed_distance(image.to_points(voxels), 0.5e-3)[0] < 0.0
            x, y, z = voxels[inside].T
            flat[(z * shape[1] + y) * shape[0] + x] = label
    return image


def _voxels_near(tube: Tube, image: LabelImage, together: int = 16) -> Array:
    """(k, 3) indices x, y, z of the voxels in the boxes, along the image's axes, of stretches of a tube."""
    axis = image.to_index(tube.points)
    size = np.array(image.labels.shape[::-1])
    marked = np.zeros(image.labels.shape, dtype=bool)
    for first in range(0, len(axis), together):
        part = slice(first, first + together + 1)
        stretch, reach = axis[part], 1.1 * tube.radius[part].max() / image.spacing
        low = np.clip(np.floor(stretch.min(axis=0) - reach).astype(np.int64), 0, size)
        high = np.clip(np.ceil(stretch.max(axis=0) + reach).astype(np.int64) + 1, 0, size)
        marked[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = True
    z, y, x = np.unravel_index(np.flatnonzero(marked), marked.shape)
    return np.stack([x, y, z], axis=1)
