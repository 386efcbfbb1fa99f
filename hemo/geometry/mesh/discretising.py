"""From the closed surface of a lumen to tetrahedra: stretched ones where they can be made, else of equal sides."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from hemo.geometry.mesh.clipping import TaggedSurface
from hemo.geometry.mesh.compensation import conserve_volume
from hemo.geometry.mesh.flipping import flip_to_delaunay
from hemo.geometry.mesh.layering import Filled, filled
from hemo.geometry.mesh.layers import LayerOptions
from hemo.geometry.mesh.mmg import MmgFailed
from hemo.geometry.mesh.remeshing import remesh
from hemo.geometry.mesh.sizing import Sizes
from hemo.geometry.mesh.untangling import untangle
from hemo.tree import VesselTree

log = logging.getLogger(__name__)


@dataclass
class Clock:
    """Seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what is done within."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def discretised(
    surface: TaggedSurface, tree: VesselTree, sizes: Sizes, layers: LayerOptions | None, conserve: bool, clock: Clock
) -> tuple[Filled, str]:
    """The mesh within a closed surface, whose volume it may conserve, and the name of the remesher.

    Raises
    ------
    RemeshingFailed, InputError
        If the surface cannot be remeshed or filled.
    """
    with clock.step("remesh"):
        boundary, remesher = remesh(surface, tree, sizes)
    if conserve:
        with clock.step("volume_compensation"):
            boundary, _ = untangle(conserve_volume(boundary, surface))
    try:
        with clock.step("fill"):
            return filled(flip_to_delaunay(boundary, wall=sizes.stretch == 1.0), tree, layers, sizes), remesher
    except MmgFailed as error:
        log.warning("%s tree: %s The cells are not stretched.", tree.name, error)
        return discretised(surface, tree, replace(sizes, stretch=1.0), layers, conserve, clock)
