"""What the solvers return: flow in a tree and traction on its wall, with an honest status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Status(Enum):
    """How a solve ended; the value is the sentence a person reads."""

    CONVERGED = "The solution converged to its tolerance."
    AVERAGED = "The flow does not settle: FFR is that of its mean over time."
    NOT_CONVERGED = "The solver stopped before reaching its tolerance: no FFR is claimed."
    INTERRUPTED = "The solve was stopped on request; a checkpoint was written."
    FAILED = "The solve failed."

    @property
    def usable(self) -> bool:
        """Whether FFR may be claimed."""
        return self in (Status.CONVERGED, Status.AVERAGED)


@dataclass(frozen=True)
class BranchFlow:
    """Section means along one branch, at the points of its centreline.

    Attributes
    ----------
    pressure
        (n,) static pressure, Pa.
    flow
        (n,) volume flow, m^3/s, positive distally.
    """

    pressure: Array
    flow: Array


@dataclass(frozen=True)
class TreeFlow:
    """Flow in a whole tree.

    Attributes
    ----------
    method
        ``"reduced"`` or ``"fem"``.
    status
        How the solve ended.
    aortic_pressure
        Mean aortic pressure that FFR is referred to, Pa.
    branches
        Branch name -> :class:`BranchFlow`.
    message
        What the solver has to say besides, for example the branch that did not converge.
    subtracted
        Venous pressure that is taken off both pressures of FFR, Pa: 0 for the usual Pd/Pa.
    connections
        Flow through each graft or collateral, m^3/s, by name.
    """

    method: str
    status: Status
    aortic_pressure: float
    branches: dict[str, BranchFlow]
    message: str = ""
    subtracted: float = 0.0
    connections: Mapping[str, float] = field(default_factory=dict)

    def ffr(self, branch: str) -> Array:
        """(n,) static pressure over mean aortic pressure along a branch, each less what is ``subtracted``."""
        return (self.branches[branch].pressure - self.subtracted) / (self.aortic_pressure - self.subtracted)


@dataclass(frozen=True)
class BeatCurves:
    """What a tree does over a beat, at evenly spaced times.

    Attributes
    ----------
    time
        (k,) from the opening of the aortic valve, s.
    aortic
        (k,) Pa; where a flow is prescribed, the total pressure that it takes at the inlet.
    pressure
        Branch name -> (k, n) static pressure at the points of its centreline, Pa.
    inflow
        (k,) into the tree, m^3/s.
    outflow
        Outlet branch -> (k,) flow out of its end, m^3/s.
    change
        Outlet branch -> largest change of that flow since the beat before, over its largest.
    """

    time: Array
    aortic: Array
    pressure: dict[str, Array]
    inflow: Array
    outflow: dict[str, Array]
    change: dict[str, float]


@dataclass(frozen=True)
class WallTraction:
    """Traction of the fluid on the wall: steady, or its mean over a beat or another stretch of time.

    Attributes
    ----------
    points
        (n, 3) wall vertices, m.
    triangles
        (m, 3) wall triangles, indices into ``points``; normals out of the fluid.
    pressure
        (n,) pressure at the wall vertices, Pa (gauge).
    shear
        (n, 3) wall shear stress vector: tangential traction by the fluid ON the wall, Pa.
    facet_pressure
        (m,) mean pressure of each triangle, Pa.
    facet_shear
        (m, 3) mean shear vector of each triangle, Pa.
    instants
        (k, n, 3) ``shear`` at k evenly spaced times of it, Pa; None where the flow is steady.
    """

    points: Array
    triangles: NDArray[np.int64]
    pressure: Array
    shear: Array
    facet_pressure: Array
    facet_shear: Array
    instants: Array | None = None

    @property
    def over_time(self) -> tuple[Array, Array]:
        """(k, n, 3) shear, Pa, and the (k,) weights of its times in a mean; one time where the flow is steady."""
        shear = self.shear[None] if self.instants is None else self.instants
        return shear, np.full(len(shear), 1.0 / len(shear))
