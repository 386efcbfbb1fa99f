"""Hexahedra with layers at the wall in a vessel tree, by OpenFOAM's snappyHexMesh: its surfaces and dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hemo.indices import map_to_centreline
from hemo.tetmesh import WALL, TetMesh
from hemo.tree import VesselTree
from validation.openfoam_grid import Array, header

COARSEST, FINEST = 1, 5  # refinements of the box's cells that a piece of wall can have
AROUND = 2e-3  # m, of the box about the tree
Pieces = dict[int, Array]


@dataclass(frozen=True)
class Snappy:
    """How fine a mesh is.

    Attributes
    ----------
    across
        Least number of cells across any diameter before layers; from there to twice as many, as sizes are halved.
    layers
        At the wall.
    """

    across: float
    layers: int = 2


def box_size(tree: VesselTree, grid: Snappy) -> float:
    """Length, m, of the box's cells, of which the widest vessel takes cells refined ``COARSEST`` times."""
    widest = max(float(branch.diameter.max()) for branch in tree.branches)
    return 2**COARSEST * widest / grid.across


def wall_pieces(mesh: TetMesh, tree: VesselTree, grid: Snappy) -> Pieces:
    """Refinement -> (n, 3) triangles of the wall whose vessel asks for it."""
    wall = mesh.facets_of(WALL)
    where = map_to_centreline(tree, mesh.points[wall].mean(axis=1))
    diameter = np.empty(len(wall))
    for number, branch in enumerate(tree.branches):
        mine = where.branch == number
        diameter[mine] = np.interp(where.arc[mine], branch.arc, branch.diameter)
    wanted = np.ceil(np.log2(box_size(tree, grid) * grid.across / diameter)).clip(COARSEST, FINEST).astype(int)
    return {int(level): wall[wanted == level] for level in np.unique(wanted)}


def write_mesh_case(case: Path, mesh: TetMesh, tree: VesselTree, grid: Snappy) -> None:
    """The surfaces and the dictionaries of blockMesh and snappyHexMesh."""
    pieces, surfaces = wall_pieces(mesh, tree, grid), case / "constant" / "triSurface"
    surfaces.mkdir(parents=True)
    for level, triangles in pieces.items():
        _write_obj(surfaces / f"{WALL}{level}.obj", mesh.points, triangles)
    caps = [name for name in mesh.names.values() if name != WALL]
    finest = {name: _level_at(mesh.facets_of(name), pieces) for name in caps}
    for name in caps:
        _write_obj(surfaces / f"{name}.obj", mesh.points, mesh.facets_of(name))
        _write_edges(surfaces / f"{name}.eMesh", mesh.points, rim(mesh.facets_of(name)))
    levels = {f"{WALL}{level}": level for level in pieces} | finest
    texts = {
        "blockMeshDict": _box(mesh.points, box_size(tree, grid)),
        "snappyHexMeshDict": _snappy(levels, caps, box_size(tree, grid), tree, grid),
    }
    for name, text in texts.items():
        (case / "system" / name).write_text(header("dictionary", name) + text)


def rim(triangles: Array) -> Array:
    """(k, 2) edges that only one of (n, 3) triangles has."""
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    found, count = np.unique(edges, axis=0, return_counts=True)
    return np.asarray(found[count == 1])


def _level_at(cap: Array, pieces: Pieces) -> int:
    """The finest piece of wall that a cap meets."""
    return max(level for level, triangles in pieces.items() if np.isin(triangles, cap).any())


def _write_obj(file: Path, points: Array, triangles: Array) -> None:
    used, local = np.unique(triangles, return_inverse=True)
    lines = [f"v {x:.10e} {y:.10e} {z:.10e}" for x, y, z in points[used]]
    lines += [f"f {a} {b} {c}" for a, b, c in local.reshape(-1, 3) + 1]
    file.write_text("\n".join(lines) + "\n")


def _write_edges(file: Path, points: Array, edges: Array) -> None:
    used, local = np.unique(edges, return_inverse=True)
    places = "\n".join(f"({x:.10e} {y:.10e} {z:.10e})" for x, y, z in points[used])
    ends = "\n".join(f"({a} {b})" for a, b in local.reshape(-1, 2))
    text = f"{len(used)}\n(\n{places}\n)\n{len(edges)}\n(\n{ends}\n)\n"
    file.write_text(header("featureEdgeMesh", file.name) + text)


def _box(points: Array, size: float) -> str:
    low, high = points.min(axis=0) - AROUND, points.max(axis=0) + AROUND
    counts = np.ceil((high - low) / size).astype(int)
    high = low + counts * size
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    places = "\n".join(_vector(low + np.array(corner) * (high - low)) for corner in corners)
    return (
        f"vertices\n(\n{places}\n);\n"
        f"blocks ( hex (0 1 2 3 4 5 6 7) ({' '.join(map(str, counts))}) simpleGrading (1 1 1) );\n"
        "boundary ();\n"
    )


def _snappy(levels: dict[str, int], caps: list[str], size: float, tree: VesselTree, grid: Snappy) -> str:
    surfaces = "".join(f"{name}.obj {{ type triSurfaceMesh; name {name}; }}\n" for name in levels)
    features = "".join(f'{{ file "{name}.eMesh"; level {levels[name]}; }}\n' for name in caps)
    refined = "".join(f"{name} {{ level ({level} {level}); }}\n" for name, level in levels.items())
    # Half of the widest vessel that a size serves, so that it is refined to its middle.
    inside = "".join(
        f"{name} {{ mode distance; levels (({0.5 * size * grid.across / 2 ** (level - 1):g} {level})); }}\n"
        for name, level in levels.items()
        if name not in caps
    )
    inlet = tree.root
    middle = inlet.points[len(inlet.points) // 2] + 0.0137 * inlet.radius[0]  # not on a face of a cell
    return DICTIONARY.format(
        surfaces=surfaces,
        features=features,
        refined=refined,
        inside=inside,
        middle=_vector(middle),
        layers=grid.layers,
        add="true" if grid.layers else "false",
    )


def _vector(values: Array) -> str:
    return f"({' '.join(f'{value:.10g}' for value in values)})"


# As the templates of OpenFOAM have it, with more iterations, and skewness on the wall within what checkMesh allows.
DICTIONARY = """castellatedMesh true;
snap true;
addLayers {add};
geometry
{{
{surfaces}}}
castellatedMeshControls
{{
    maxLocalCells 20000000;
    maxGlobalCells 20000000;
    minRefinementCells 0;
    nCellsBetweenLevels 2;
    resolveFeatureAngle 60;
    allowFreeStandingZoneFaces false;
    features ( {features} );
    refinementSurfaces {{ {refined} }}
    refinementRegions {{ {inside} }}
    locationInMesh {middle};
}}
snapControls
{{
    nSmoothPatch 3;
    nSmoothInternal 3;
    tolerance 2.0;
    nSolveIter 50;
    nRelaxIter 5;
    nFeatureSnapIter 10;
    explicitFeatureSnap true;
    implicitFeatureSnap false;
    multiRegionFeatureSnap false;
}}
addLayersControls
{{
    layers {{ "wall.*" {{ nSurfaceLayers {layers}; }} }}
    relativeSizes true;
    expansionRatio 1.3;
    finalLayerThickness 0.5;
    minThickness 0.05;
    nGrow 0;
    featureAngle 130;
    nRelaxIter 5;
    nSmoothSurfaceNormals 1;
    nSmoothNormals 3;
    nSmoothThickness 10;
    maxFaceThicknessRatio 0.5;
    maxThicknessToMedialRatio 0.3;
    minMedialAxisAngle 90;
    nBufferCellsNoExtrude 0;
    nLayerIter 50;
    nRelaxedIter 20;
}}
meshQualityControls
{{
    maxNonOrtho 65;
    maxBoundarySkewness 4;
    maxInternalSkewness 4;
    maxConcave 80;
    minVol 1e-20;
    minTetQuality 1e-15;
    minArea -1;
    minTwist 0.02;
    minDeterminant 0.001;
    minFaceWeight 0.05;
    minVolRatio 0.01;
    minTriangleTwist -1;
    nSmoothScale 4;
    errorReduction 0.75;
    relaxed {{ maxNonOrtho 75; }}
}}
mergeTolerance 1e-6;
"""
