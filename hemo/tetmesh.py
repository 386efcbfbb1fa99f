"""The tetrahedral mesh between the mesher and the finite-element solver: numpy arrays, no libraries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.triangles import area_vectors

WALL = "wall"
INLET = "inlet"
# The faces of a tetrahedron, opposite its vertices 0 to 3.
FACES = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
EDGES = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
BLOCK = 4096  # cells measured at a time, so that what lies between stays in the processor's cache


@dataclass(frozen=True)
class TetMesh:
    """Straight-sided tetrahedra with tagged boundary facets.

    Attributes
    ----------
    points
        (n, 3) vertices, m.
    cells
        (m, 4) vertex indices, positively oriented.
    facets
        (k, 3) boundary triangles, vertex indices, normals out of the fluid.
    facet_tags
        (k,) integer tag of each boundary triangle.
    names
        tag -> ``"wall"``, ``"inlet"`` or the name of the branch whose outlet this cap is.
    """

    points: NDArray[np.float64]
    cells: NDArray[np.int64]
    facets: NDArray[np.int64]
    facet_tags: NDArray[np.int32]
    names: dict[int, str]

    def tag(self, name: str) -> int:
        """The tag of the named part of the boundary; raises KeyError."""
        for tag, label in self.names.items():
            if label == name:
                return tag
        raise KeyError(name)

    @property
    def outlets(self) -> tuple[str, ...]:
        """Names of the outlet caps."""
        return tuple(name for name in self.names.values() if name not in (WALL, INLET))

    def facets_of(self, name: str) -> NDArray[np.int64]:
        """(j, 3) triangles of the named part of the boundary."""
        return self.facets[self.facet_tags == self.tag(name)]

    def area_vector(self, name: str) -> NDArray[np.float64]:
        """(3,) integral of the outward normal over the named part, m^2."""
        return np.asarray(area_vectors(self.points[self.facets_of(name)]).sum(axis=0))

    def cell_volumes(self) -> NDArray[np.float64]:
        """(m,) signed volumes, m^3; all positive in a valid mesh."""
        return self._volumes

    @cached_property
    def _volumes(self) -> NDArray[np.float64]:
        volumes = np.empty(len(self.cells))
        for start in range(0, len(self.cells), BLOCK):
            corners = self.points[self.cells[start : start + BLOCK]]
            (u, v, w), (p, q, r), (k, m, n) = (corners[:, 1:] - corners[:, :1]).transpose(1, 2, 0)
            volumes[start : start + BLOCK] = ((v * r - w * q) * k + (w * p - u * r) * m + (u * q - v * p) * n) / 6.0
        volumes.flags.writeable = False
        return volumes

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """(m, 4) neighbour of each cell over the face opposite each of its vertices; -1 on the boundary."""
        return face_neighbours(self.cells)

    def save(self, path: Path) -> None:
        """Write a ``.npz``."""
        tags = np.array(sorted(self.names), dtype=np.int32)
        labels = np.array([self.names[int(tag)] for tag in tags])
        np.savez(
            path,
            points=self.points,
            cells=self.cells,
            facets=self.facets,
            facet_tags=self.facet_tags,
            tags=tags,
            labels=labels,
        )

    @staticmethod
    def load(path: Path) -> TetMesh:
        """Read what :meth:`save` wrote."""
        with np.load(path) as data:
            names = {int(tag): str(label) for tag, label in zip(data["tags"], data["labels"], strict=True)}
            return TetMesh(data["points"], data["cells"], data["facets"], data["facet_tags"], names)


def face_neighbours(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m, 4) neighbour of each cell over the face opposite each of its vertices; -1 on the boundary.

    Raises InputError where more than two cells share a face.
    """
    key = face_keys(cells[:, FACES].reshape(-1, 3))
    order = np.argsort(key)
    same = np.diff(key[order]) == 0
    if np.any(same[1:] & same[:-1]):
        raise InputError("a face of the mesh belongs to more than two cells.")
    first, second = order[:-1][same], order[1:][same]
    neighbours = np.full(4 * len(cells), -1, dtype=np.int64)
    neighbours[first], neighbours[second] = second // 4, first // 4
    return neighbours.reshape(-1, 4)


def face_keys(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k,) numbers of triangles (k, 3), the same for those with the same three vertices."""
    a, b, c = faces.T
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    middle = a + b + c - low - high
    size = int(high.max(initial=0)) + 1
    if size < 2_000_000:  # fits into 63 bits, and is much quicker
        return np.asarray((low * size + middle) * size + high)
    return np.unique(np.stack([low, middle, high], axis=1), axis=0, return_inverse=True)[1].ravel()
