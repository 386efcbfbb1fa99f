"""A solution on one mesh, looked up at the vertices of another of the same lumen; numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.fem.result import FemResult
from hemo.tetmesh import EDGES, TetMesh

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

CANDIDATES = (12, 100)  # cells whose centroids are nearest to a place, at first and where none of them holds it
ROUNDING = 1e-9  # of a weight
BLOCK = 10_000  # places looked up at a time


@dataclass(frozen=True)
class Fields:
    """Velocity, m/s, and pressure, Pa, of a mesh.

    Attributes
    ----------
    velocity, pressure
        (n, 3) and (n,) at its vertices.
    edges, edge_velocity
        (e, 2) vertices that each edge joins, and (e, 3) at its middle.
    """

    velocity: Array
    pressure: Array
    edges: Integers
    edge_velocity: Array


def carried_over(mesh: TetMesh, solution: Fields | FemResult, other: TetMesh) -> Fields:
    """A solution on one mesh as fields of another."""
    edges = all_edges(other)
    middles = other.points[edges].mean(axis=1)
    velocity, pressure = looked_up(mesh, solution, np.concatenate([other.points, middles]))
    count = len(other.points)
    return Fields(velocity[:count], pressure[:count], edges, velocity[count:])


def looked_up(mesh: TetMesh, solution: Fields | FemResult, places: Array) -> tuple[Array, Array]:
    """Velocity (n, 3), m/s, and pressure (n,), Pa, of a solution on ``mesh`` at (n, 3) places, m.

    Quadratic velocity and linear pressure of the cell that holds a place; of a nearby point of a nearby cell where none
    does, as between two triangulations of one wall.
    """
    velocity, pressure = np.empty((len(places), 3)), np.empty(len(places))
    numbers = edge_rows(solution.edges, mesh.cells[:, EDGES].reshape(-1, 2)).reshape(-1, len(EDGES))
    tree = cKDTree(mesh.points[mesh.cells].mean(axis=1))
    for start in range(0, len(places), BLOCK):
        block = slice(start, start + BLOCK)
        cell, weights = _located(mesh, tree, places[block])
        first, second = weights[:, EDGES[:, 0]], weights[:, EDGES[:, 1]]
        velocity[block] = np.einsum("ij,ijk->ik", weights * (2 * weights - 1), solution.velocity[mesh.cells[cell]])
        velocity[block] += np.einsum("ij,ijk->ik", 4 * first * second, solution.edge_velocity[numbers[cell]])
        pressure[block] = np.einsum("ij,ij->i", weights, solution.pressure[mesh.cells[cell]])
    return velocity, pressure


def all_edges(mesh: TetMesh) -> Integers:
    """(e, 2) vertices that each edge of a mesh joins."""
    low, high = np.sort(mesh.cells[:, EDGES].reshape(-1, 2), axis=1).T
    return np.stack(np.divmod(np.unique(low * len(mesh.points) + high), len(mesh.points)), axis=1)


def edge_rows(edges: Integers, wanted: Integers) -> Integers:
    """(k,) row of (e, 2) ``edges`` that each of (k, 2) ``wanted`` is, whichever way round."""
    count = int(edges.max()) + 1
    (low, high), (first, second) = np.sort(edges, axis=1).T, np.sort(wanted, axis=1).T
    key = low * count + high
    order = np.argsort(key)
    return np.asarray(order[np.searchsorted(key, first * count + second, sorter=order)])


def _located(mesh: TetMesh, tree: cKDTree, places: Array) -> tuple[Integers, Array]:
    """(n,) cell of each place and (n, 4) barycentric weights in it, none negative."""
    cell, weights = _best(mesh, tree, places, CANDIDATES[0])
    outside = weights.min(axis=1) < -ROUNDING
    if outside.any():
        cell[outside], weights[outside] = _best(mesh, tree, places[outside], CANDIDATES[1])
    weights = np.clip(weights, 0.0, None)
    return cell, weights / weights.sum(axis=1, keepdims=True)


def _best(mesh: TetMesh, tree: cKDTree, places: Array, candidates: int) -> tuple[Integers, Array]:
    """The cell that a place is least outside of, of those whose centroids are nearest, and its weights there."""
    _, near = tree.query(places, k=min(candidates, len(mesh.cells)))
    near = near.reshape(len(places), -1)
    corners = mesh.points[mesh.cells[near]]
    edges = np.swapaxes(corners[:, :, 1:] - corners[:, :, :1], 2, 3)
    inner = np.linalg.solve(edges, (places[:, None] - corners[:, :, 0])[..., None])[..., 0]
    weights = np.concatenate([1.0 - inner.sum(axis=2, keepdims=True), inner], axis=2)
    rows, best = np.arange(len(places)), weights.min(axis=2).argmax(axis=1)
    return near[rows, best], weights[rows, best]
