"""Quality against time of the ways to fill a lumen with about 120,000 tetrahedra."""

from __future__ import annotations

import os
import resource

import numpy as np

from hemo.geometry.mesh.clipping import keep_flat_ends
from hemo.geometry.mesh.compensation import conserve_volume
from hemo.geometry.mesh.filling import MM, run_gmsh
from hemo.geometry.mesh.quality import cell_shapes
from hemo.geometry.mesh.remeshing import remesh
from hemo.geometry.mesh.sizing import Sizes
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.tetmesh import TetMesh
from validation.table import Table, publish

CELLS_PER_DIAMETER = 9.0
METHODS = (
    ("HXT, not optimised", {"algorithm": 10, "optimise": False}),
    ("HXT, own optimiser at 0.3", {"algorithm": 10, "threshold": 0.3}),
    ("HXT, own optimiser at 0.35 (hemo)", {"algorithm": 10, "threshold": 0.35}),
    ("HXT, own optimiser at 0.4", {"algorithm": 10, "threshold": 0.4}),
    ("HXT, own optimiser at 0.5", {"algorithm": 10, "threshold": 0.5}),
    ("HXT at 0.35, then gmsh's optimiser", {"algorithm": 10, "threshold": 0.35, "extra": [""]}),
    ("HXT at 0.35, then Netgen", {"algorithm": 10, "threshold": 0.35, "extra": ["Netgen"]}),
    ("Delaunay, gmsh's optimiser at 0.4", {"algorithm": 1, "threshold": 0.4}),
    ("Delaunay, Netgen", {"algorithm": 1, "optimise": False, "netgen": True}),
    ("Delaunay, gmsh's at 0.35, Netgen (second choice)", {"algorithm": 1, "threshold": 0.35, "netgen": True}),
)


def main() -> None:
    """Table over the methods, one triangulated stenosis for all."""
    surface, tree = straight_stenosis(severity=0.6)
    clipped = keep_flat_ends(surface, tree).surface
    boundary = conserve_volume(remesh(clipped, tree, Sizes(CELLS_PER_DIAMETER))[0], clipped)
    given = {"points": boundary.points / MM, "triangles": boundary.triangles}
    rows = []
    for name, options in METHODS:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        made = run_gmsh("fill", given, **options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        mesh = TetMesh(made["points"], made["cells"], boundary.triangles, boundary.tags, boundary.names)
        shapes = cell_shapes(mesh)
        shares = (shapes.gamma.min(), *np.percentile(shapes.gamma, [1, 50]))
        rows.append(
            (
                name,
                f"{len(mesh.cells):,}",
                f"{seconds:.1f}",
                *(f"{value:.3f}" for value in shares),
                str(int((shapes.gamma < 0.2).sum())),
                f"{shapes.dihedral_min.min():.0f} to {shapes.dihedral_max.max():.0f}",
            )
        )
    columns = ("method", "cells", "processor / s", "gamma, least", "1 %", "median", "below 0.2", "angles / degrees")
    note = (
        "The 60 % stenosis; processor seconds of the gmsh process, start and files included "
        f"(load {os.getloadavg()[0]:.0f})."
    )
    publish(Table("mesh_optimisers", columns, tuple(rows), note))
