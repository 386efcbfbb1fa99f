"""What the tests of beats share: a straight vessel, the job that follows a beat in it, and stopping it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from hemo.beatstage import before_the_beat, pulse_of
from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.initial import initial_fields
from hemo.fem.job import Probes, write_job
from hemo.fem.leakage import leak_shares
from hemo.fem.options import FemOptions
from hemo.reduced.pulsatile import BeatFlow
from hemo.tetmesh import TetMesh
from hemo.tree import Branch, VesselTree


def straight_tree(length: float, radius: float) -> VesselTree:
    """A left anterior descending artery along z, m."""
    z, radii = np.linspace(0.0, length, 31), np.full(31, radius)
    points = np.column_stack([0 * z, 0 * z, z])
    return VesselTree("left", (Branch("LAD", points, radii, np.pi * radii**2, radii),))


def write_beat(
    folder: Path,
    mesh: TetMesh,
    tree: VesselTree,
    beat: BeatFlow,
    conditions: FlowConditions,
    probes: Probes,
    blood: Blood | None = None,
    **options,
) -> Path:
    """The job that follows the reduced model's beat on the mesh."""
    shares = leak = None
    if conditions.leaks:
        centroids = mesh.points[mesh.cells].mean(axis=1)
        everywhere = np.ones(len(mesh.cells), dtype=bool)
        shares = leak_shares(centroids, mesh.cell_volumes(), tree, conditions.leaks, everywhere)
        leak = np.asarray(shares.sum(axis=1)).ravel()
    initial = initial_fields(mesh.points, tree, before_the_beat(beat))
    pulse = pulse_of(beat, tree, mesh.outlets, shares)
    write_job(folder, mesh, probes, initial, blood or Blood(), conditions, FemOptions(**options), leak, pulse)
    return folder


def interrupt_after(step, status):
    """What :func:`hemo.fem.launch.run_worker` tells, to stop the solve after a step."""
    if status["state"] == "solving" and (status["step"] or 0) >= step:
        os.kill(os.getpid(), signal.SIGUSR1)
