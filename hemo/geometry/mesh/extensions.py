"""Flow extensions: caps moved outward so that the flow at the vessel's true end is not that of a boundary condition.

The cap's own outline is translated along the cap's normal, so its shape and area are kept all along. Where the wall
meets the cap obliquely, the axis starts in the wall's mean direction and turns into the normal within one radius:
the outlines there are shifted sideways, never scaled. The idea is that of VMTK's ``vmtkflowextensions``
(Antiga et al. 2008, Med Biol Eng Comput 46:1097), which turns the outline into a circle; here it stays.

An extension is no part of the vessel: the tree ends where it did, and every result leaves out what lies beyond
(:meth:`Extension.contains`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lumen.planecut import plane_axes
from hemo.geometry.mesh.clipping import WALL_TAG, TaggedSurface
from hemo.tetmesh import INLET
from hemo.tree import Branch, VesselTree
from hemo.triangles import unit_normals

Array = NDArray[np.float64]
Index = NDArray[np.int64]
log = logging.getLogger(__name__)

STEEPEST = 0.5  # sideways over forward: the most that the axis leans at its start
CLEARANCE = 1.3  # reaches about the axis that must be free of other vessels
SHORTEST = 1.0  # radii; a shorter extension is left out
RING = 0.3  # distance of successive outlines, radii


@dataclass(frozen=True)
class ExtensionLength:
    """How long an extension is: ``value`` m, or ``value`` diameters of its cap."""

    value: float
    in_diameters: bool = False

    def __str__(self) -> str:
        return f"{self.value:g} diameters" if self.in_diameters else f"{1e3 * self.value:g} mm"

    def metres(self, diameter: float) -> float:
        """Length (m) at a cap of this equivalent diameter (m)."""
        return self.value * diameter if self.in_diameters else self.value


@dataclass(frozen=True)
class Extension:
    """The prolongation of one cap.

    Attributes
    ----------
    name
        ``"inlet"`` or the outlet's branch.
    centre, normal
        Middle of the true cap's outline (3,), m, and outward unit normal (3,).
    slope
        (3,) sideways over forward lean of the axis at its start, square to the normal.
    length
        m.
    area
        Area of the outline, m^2.
    reach
        Largest distance of the outline from its middle, m.
    """

    name: str
    centre: Array
    normal: Array
    slope: Array
    length: float
    area: float
    reach: float

    @property
    def radius(self) -> float:
        """Equivalent radius, m."""
        return float(np.sqrt(self.area / np.pi))

    def axis(self, forward: NDArray[Any]) -> Array:
        """(k, 3) middle of the outline at distances (k,) from the true cap, m."""
        turned = np.clip(forward / self.radius, 0.0, 1.0)
        sideways = 0.5 * self.radius * (1.0 - (1.0 - turned) ** 2)
        return np.asarray(self.centre + forward[:, None] * self.normal + sideways[:, None] * self.slope)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """(n,) whether points of the mesh (n, 3) lie beyond the vessel's true end, in this extension."""
        forward = (points - self.centre) @ self.normal
        beside = np.linalg.norm(points - self.axis(forward), axis=1)
        return np.asarray(
            (forward > 1e-6 * self.radius) & (forward < 1.01 * self.length) & (beside < 0.95 * CLEARANCE * self.reach)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in asdict(self).items()}

    @staticmethod
    def from_json(values: dict[str, Any]) -> Extension:
        """What :meth:`to_json` made."""
        arrays: dict[str, Any] = {k: np.array(item) for k, item in values.items() if isinstance(item, list)}
        return Extension(**{**values, **arrays})

    def resistance(self, viscosity: float) -> float:
        """Hydraulic resistance, Pa s/m^3, of the circular tube of equal area (Hagen and Poiseuille)."""
        return 8.0 * np.pi * viscosity * self.length / self.area**2


def in_extensions(extensions: Sequence[Extension], points: Array) -> NDArray[np.bool_]:
    """(n,) whether points (n, 3) of a mesh lie in any of the extensions."""
    inside = np.zeros(len(points), dtype=bool)
    for extension in extensions:
        inside |= extension.contains(points)
    return inside


def extend_caps(
    surface: TaggedSurface, lengths: Mapping[str, ExtensionLength], name: str = "vessel"
) -> tuple[TaggedSurface, tuple[Extension, ...]]:
    """Move the named caps outward; where another vessel stands in the way, less far or not at all, with a warning.

    Returns the surface with the caps, still tagged with their names, at the far ends, and what was added. ``name`` is
    that of the tree in warnings.
    """
    original = surface.points
    made: list[Extension] = []
    for tag, (_, normal) in surface.planes.items():
        cap = surface.names[tag]
        if cap not in lengths:
            continue
        wanted = _extension(surface, tag, normal, lengths[cap])
        obstacles = np.vstack([original, *(_outlines(surface, other) for other in made)])
        length = _free_length(wanted, obstacles)
        if length < SHORTEST * wanted.radius:
            log.warning("%s tree: no flow extension at %s: another vessel lies right beyond it.", name, cap)
            continue
        if length < wanted.length:
            text = "%s tree: the flow extension at %s is %.1f mm long instead of %.1f mm: another vessel lies beyond."
            log.warning(text, name, cap, 1e3 * length, 1e3 * wanted.length)
        extension = replace(wanted, length=length)
        surface = _prolonged(surface, tag, extension)
        made.append(extension)
    return surface, tuple(made)


def _extension(surface: TaggedSurface, tag: int, normal: Array, length: ExtensionLength) -> Extension:
    area = surface.cap_area(tag)
    rim = _rim(surface.triangles[surface.tags == tag])
    outline = surface.points[rim[:, 0]]
    weight = np.linalg.norm(surface.points[rim[:, 1]] - outline, axis=1)
    centre = np.average((outline + surface.points[rim[:, 1]]) / 2.0, axis=0, weights=weight)
    reach = float(np.linalg.norm(outline - centre, axis=1).max())
    slope = _wall_slope(surface, rim, normal)
    return Extension(
        surface.names[tag], centre, normal, slope, length.metres(2.0 * float(np.sqrt(area / np.pi))), area, reach
    )


def _rim(cap: Index) -> Index:
    """(k, 2) directed edges round a cap."""
    edges = np.concatenate([cap[:, [0, 1]], cap[:, [1, 2]], cap[:, [2, 0]]])
    size = edges.max() + 1
    return edges[~np.isin(edges @ [size, 1], edges[:, ::-1] @ [size, 1])]


def _wall_slope(surface: TaggedSurface, rim: Index, normal: Array) -> Array:
    """(3,) mean lean of the wall at the cap, sideways over forward, by least squares; at most :data:`STEEPEST`."""
    wall = surface.triangles[surface.tags == WALL_TAG]
    size = len(surface.points)
    edges = np.concatenate([wall[:, [0, 1]], wall[:, [1, 2]], wall[:, [2, 0]]])
    order = np.argsort(edges @ [size, 1])
    place = order[np.searchsorted((edges @ [size, 1])[order], rim[:, ::-1] @ [size, 1])]
    facet = unit_normals(surface.points[wall[place % len(wall)]])
    along = surface.points[rim[:, 0]] - surface.points[rim[:, 1]]
    onward = np.cross(along, facet)  # in the wall, square to the rim, as long as the edge
    forward = onward @ normal
    good = forward > 0.1 * np.linalg.norm(onward, axis=1)
    # An edge with unit normal m (in the cap's plane) tells the slope's part along m, and the taper, common to all.
    axes = np.stack(plane_axes(normal), axis=1)
    sideways = onward[good] @ axes / forward[good, None]
    across = np.cross(along[good], normal) @ axes
    weight = np.linalg.norm(across, axis=1)
    across /= weight[:, None]
    rows = np.sqrt(weight)[:, None] * np.column_stack([across, np.ones(len(across))])
    told = np.sqrt(weight) * np.einsum("ij,ij->i", sideways, across)
    slope = axes @ np.linalg.lstsq(rows, told, rcond=None)[0][:2]
    return np.asarray(slope * min(1.0, STEEPEST / max(float(np.linalg.norm(slope)), 1e-300)))


def _free_length(extension: Extension, obstacles: Array) -> float:
    """How far (m) the extension goes with :data:`CLEARANCE` all round and half a radius beyond its end."""
    forward = (obstacles - extension.centre) @ extension.normal
    room = 0.5 * extension.radius
    ahead = (forward > 0.1 * extension.radius) & (forward < extension.length + room)
    near = np.linalg.norm(obstacles[ahead] - extension.axis(forward[ahead]), axis=1) < CLEARANCE * extension.reach
    return min(extension.length, float(forward[ahead][near].min()) - room) if near.any() else extension.length


def _rings(extension: Extension) -> int:
    return max(int(np.ceil(extension.length / (RING * extension.radius))), 2)


def _moves(extension: Extension) -> Array:
    """(k, 3) translations of the successive outlines from the true cap."""
    forward = np.linspace(0.0, extension.length, _rings(extension) + 1)[1:]
    return np.asarray(extension.axis(forward) - extension.centre)


def _outlines(surface: TaggedSurface, extension: Extension) -> Array:
    """Points on an extension's wall, for others to keep clear of."""
    tag = next(tag for tag, name in surface.names.items() if name == extension.name)
    rim = surface.points[_rim(surface.triangles[surface.tags == tag])[:, 0]] - _moves(extension)[-1]
    return np.asarray((rim + _moves(extension)[:, None]).reshape(-1, 3))


def _prolonged(surface: TaggedSurface, tag: int, extension: Extension) -> TaggedSurface:
    """Take the cap away, put rings of triangles in its place and the same cap at the far end."""
    on_cap = surface.tags == tag
    cap = surface.triangles[on_cap]
    rim = _rim(cap)
    corners = np.unique(rim)
    moves = _moves(extension)
    count, size = len(corners), len(surface.points)
    rings = np.vstack([corners, size + np.arange(len(moves) * count).reshape(len(moves), count)])
    points = np.vstack([surface.points, *(surface.points[corners] + move for move in moves)])
    first, second = (np.searchsorted(corners, rim[:, k]) for k in (0, 1))
    pieces = []
    for near, far in pairwise(rings):
        pieces.append(np.stack([near[first], near[second], far[second]], axis=1))
        pieces.append(np.stack([near[first], far[second], far[first]], axis=1))
    number = np.arange(len(points))
    number[corners] = rings[-1]
    inner = np.setdiff1d(cap, corners)  # the cap's own vertices move with it
    points[inner] += moves[-1]
    wall = np.concatenate(pieces)
    plane = (extension.centre + moves[-1], extension.normal)
    tags = [np.full(len(wall), WALL_TAG, dtype=np.int32), np.full(len(cap), tag, dtype=np.int32)]
    return TaggedSurface(
        points,
        np.vstack([surface.triangles[~on_cap], wall, number[cap]]),
        np.concatenate([surface.tags[~on_cap], *tags]),
        surface.names,
        {**surface.planes, tag: plane},
    )


def with_extensions(tree: VesselTree, extensions: Sequence[Extension]) -> VesselTree:
    """The tree with each extension as a branch of its own, for whoever needs the calibre everywhere in the mesh."""
    added = []
    for extension in extensions:
        branch = tree.root if extension.name == INLET else tree[extension.name]
        last = 0 if extension.name == INLET else len(branch.points) - 1
        points = extension.axis(np.linspace(0.0, extension.length, _rings(extension) + 1)[1:])
        count = len(points)
        added.append(
            Branch(
                name=f"beyond {extension.name}",
                points=points,
                radius=np.full(count, min(branch.radius[last], extension.radius)),
                area=np.full(count, extension.area),
                reference_radius=np.full(count, extension.radius),
                parent=branch.name,
                parent_index=last,
            )
        )
    return VesselTree(tree.name, (*tree.branches, *added), tree.lesions, tree.side_branches)
