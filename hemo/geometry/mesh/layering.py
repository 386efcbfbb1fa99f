"""Fill a surface with tetrahedra, with boundary layers along its wall where they are asked for and fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hemo.errors import InputError
from hemo.geometry.mesh.adapting import adapted
from hemo.geometry.mesh.clipping import TaggedSurface
from hemo.geometry.mesh.filling import POOR_QUALITY, fill, split_corner_cells
from hemo.geometry.mesh.layers import LayerOptions, LayersFailed, core_surface, with_layers
from hemo.geometry.mesh.sizing import Sizes
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree


@dataclass(frozen=True)
class Filled:
    """A mesh whose last ``layer_cells`` cells are boundary layers, by which ``method``, and what is to be said."""

    mesh: TetMesh
    layer_cells: int
    method: str
    warnings: tuple[str, ...] = ()


INNER_WIDTH = 1.0  # of adapted cells over the wanted one


def filled(boundary: TaggedSurface, tree: VesselTree, layers: LayerOptions | None, sizes: Sizes) -> Filled:
    """The mesh inside a closed surface; where layers fit nowhere, without any and with a warning.

    Raises
    ------
    InputError
        If no method fills the surface.
    MmgFailed
        If stretched cells are wanted and could not be made.
    """
    warning: tuple[str, ...] = ()
    if layers is not None and layers.count > 0:
        try:
            return _layered(boundary, tree, layers)
        except (LayersFailed, InputError) as error:
            warning = (f"{str(error).rstrip('.')}; the mesh has no layers.",)
    mesh, method = fill(boundary, tree.name, poor_quality=POOR_QUALITY / sizes.stretch)
    if sizes.stretch > 1.0:
        mesh, method = split_corner_cells(adapted(mesh, tree, sizes, INNER_WIDTH)), f"{method}, mmg3d"
    return Filled(mesh, 0, method, warning)


def _layered(boundary: TaggedSurface, tree: VesselTree, layers: LayerOptions) -> Filled:
    inner = core_surface(boundary, tree, layers)
    core, method = fill(inner, tree.name, peel=False)
    # Where the core's wall was smoothed for its cells, the wall outside it goes along.
    along = core.points[: len(inner.points)] - inner.points
    mesh, count = with_layers(replace(boundary, points=boundary.points + along), core, layers)
    if np.any(mesh.cell_volumes() <= 0.0):
        raise LayersFailed("cells of the boundary layers were inverted")
    return Filled(mesh, count, method)
