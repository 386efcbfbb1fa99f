"""Meshes of a square channel with a cylinder across it, which stands a little nearer to one wall (DFG 3D-1Z).

The cylinder is a prism of the circle's area. What makes the lift is the small difference between the gaps over and
under it, so that of the structured mesh the part above the line through its axis and the part below are each other's
images, number for number: a lift of the mesh's own could hide the true one.
"""

from __future__ import annotations

from typing import Any

import gmsh
import numpy as np
from numpy.typing import NDArray

from hemo.tetmesh import INLET, WALL, TetMesh
from validation.tets import between_planes, drawn_out, from_gmsh, split_quads, tagged

Array = NDArray[Any]

LENGTH, HEIGHT = 2.5, 0.41
CENTRE, RADIUS = np.array([0.5, 0.2]), 0.05
BESIDE = 0.2  # half the length of the part of the channel whose mesh goes round the cylinder
CLOSER = 2.2  # logarithm of the ratio of the largest cells to the smallest round the cylinder
LONGER = 2.5  # ... and in the wake
ENDS = 0.6  # how much of the steps along the cylinder follows a cosine: 0 none, 1 all
FAR = 0.06


def structured(edges: int, layers: int = 1) -> TetMesh:
    """Blocks of prisms split into tetrahedra; ``edges`` of the prism, a multiple of 8, set all sizes.

    ``layers`` times as many cells as along a side of the channel lie between it and the cylinder.
    """
    across = edges // 4
    upper, quads = _half(across, HEIGHT - CENTRE[1], layers)
    lower, _ = _half(across, CENTRE[1], layers)
    _, first, same = np.unique(np.round(upper, 9), axis=0, return_index=True, return_inverse=True)
    upper, lower = upper[first], lower[first]
    # The deeper in the fluid, the later: then no cell in a corner has all its corners on the walls.
    depth = np.minimum(HEIGHT - CENTRE[1] - upper[:, 1], np.hypot(*upper.T) - polygon_radius(edges))
    order = np.argsort(depth, kind="stable")
    place = np.argsort(order)
    # Odd numbers are those of the images, except on the line between, where the two are one.
    image = 2 * place + (upper[:, 1] > 1e-9)
    points = np.stack([upper[order], lower[order] * [1, -1]], axis=1).reshape(-1, 2)
    triangles = same.ravel()[split_quads(quads)]
    kept, triangles = np.unique(np.concatenate([2 * place[triangles], image[triangles]]), return_inverse=True)
    plane = points[kept] + CENTRE
    heights = HEIGHT * _to_the_walls(across)
    return _channel(*drawn_out(plane, triangles.reshape(-1, 3), heights, to_and_fro=True))


def layered(edges: int) -> TetMesh:
    """With twice as many cells outwards from the cylinder."""
    return structured(edges, layers=2)


def _half(across: int, gap: float, layers: int) -> tuple[Array, Array]:
    """Points about the cylinder's axis, some of them twice, and quadrilaterals of the channel on one side of it."""
    turns = np.linspace(np.pi, 0.0, 2 * across + 1)
    inner = polygon_radius(4 * across) * np.column_stack([np.cos(turns), np.sin(turns)])
    side, top = np.linspace(0.0, gap, across // 2 + 1), np.linspace(-BESIDE, BESIDE, across + 1)
    outer = np.concatenate([_product([-BESIDE], side), _product(top, [gap])[1:-1], _product([BESIDE], side)[::-1]])
    share = _graded(layers * across, CLOSER)[:, None, None]
    before = np.linspace(-CENTRE[0], -BESIDE, across // 2 + 1)
    behind = BESIDE + (LENGTH - CENTRE[0] - BESIDE) * _graded(5 * across // 4, LONGER)
    grids = (
        (1 - share) * inner + share * outer,
        _product(before, side).reshape(len(before), -1, 2),
        _product(behind, side).reshape(len(behind), -1, 2),
    )
    points, quads = np.empty((0, 2)), np.empty((0, 4), dtype=np.int64)
    for grid in grids:
        number = len(points) + np.arange(grid.shape[0] * grid.shape[1]).reshape(grid.shape[:2])
        corners = (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:])
        quads = np.concatenate([quads, np.stack(corners, axis=-1).reshape(-1, 4)])
        points = np.concatenate([points, grid.reshape(-1, 2)])
    return points, quads


def _product(x: Any, y: Any) -> Array:
    return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)


def _graded(count: int, logarithm: float) -> Array:
    """0 to 1 in steps that grow."""
    return np.asarray(np.expm1(logarithm * np.linspace(0.0, 1.0, count + 1)) / np.expm1(logarithm))


def _to_the_walls(count: int) -> Array:
    """0 to 1 in steps that are smaller at both ends."""
    share = np.linspace(0.0, 1.0, count + 1)
    return np.asarray((1 - ENDS) * share + ENDS * (1 - np.cos(np.pi * share)) / 2)


def polygon_radius(edges: int) -> float:
    """Of a regular polygon of the circle's area."""
    angle = 2 * np.pi / edges
    return float(RADIUS * np.sqrt(angle / np.sin(angle)))


def _channel(points: Array, cells: Array) -> TetMesh:
    return tagged(points, cells, between_planes(0, 0.0, LENGTH), {1: WALL, 2: INLET, 3: "outlet"})


def unstructured(edges: int) -> TetMesh:
    """Tetrahedra by gmsh, as large as the prism's edges beside it, up to ``FAR`` away from it."""
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.model.occ.addBox(0, 0, 0, LENGTH, HEIGHT, HEIGHT)
        radius, turns = polygon_radius(edges), 2 * np.pi / edges * np.arange(edges)
        corners = [
            gmsh.model.occ.addPoint(CENTRE[0] + radius * np.cos(turn), CENTRE[1] + radius * np.sin(turn), 0)
            for turn in turns
        ]
        sides = [gmsh.model.occ.addLine(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]
        base = gmsh.model.occ.addPlaneSurface([gmsh.model.occ.addCurveLoop(sides)])
        prism = gmsh.model.occ.extrude([(2, base)], 0, 0, HEIGHT)
        gmsh.model.occ.cut([(3, 1)], [item for item in prism if item[0] == 3])
        gmsh.model.occ.synchronize()
        _sizes(2 * radius * np.sin(np.pi / edges))
        gmsh.model.mesh.generate(3)
        return _channel(*from_gmsh())
    finally:
        gmsh.finalize()


def _sizes(least: float) -> None:
    """Cells grow with the distance from the cylinder's axis."""
    field = gmsh.model.mesh.field
    distance = field.add("MathEval")
    formula = f"{least} + 0.2 * Max(0, Sqrt((x - {CENTRE[0]})^2 + (y - {CENTRE[1]})^2) - {1.2 * RADIUS})"
    field.setString(distance, "F", f"Min({FAR}, {formula})")
    field.setAsBackgroundMesh(distance)
    for name in ("MeshSizeExtendFromBoundary", "MeshSizeFromPoints", "MeshSizeFromCurvature"):
        gmsh.option.setNumber(f"Mesh.{name}", 0)
