"""A tree of vessels with the beds of :mod:`hemo.reduced.lumped` behind it, as a circuit whose state repeats.

Each bed is Ra, then Ca to ground beside Ram, then Cim to the muscle's pressure beside Rv to the veins; a windkessel,
whose Cim is 0, ends in one resistance behind Ra and Ca.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.reduced.lumped import Beds
from hemo.reduced.network import Network
from hemo.reduced.periodic import Circuit
from hemo.reduced.wiring import Wiring
from hemo.stretches import Stretches

Array = NDArray[Any]


@dataclass(frozen=True)
class Ladders:
    """A circuit whose ends are those of k beds: first every Ca, then every Cim if there are any, then every vein."""

    circuit: Circuit
    beds: Beds
    muscle: Array

    def flow(self, out: Array) -> Array:
        """(k, n) flow into the beds, m^3/s, from that of the ends."""
        return np.asarray(out.reshape(-1, len(self.beds.rv), out.shape[-1]).sum(axis=0))

    def states(self, out: Array) -> tuple[Array, Array]:
        """The beds' states at the last time, as :class:`~hemo.reduced.lumped.Beds` has them: (k,) twice, Pa."""
        _, *middle = out[:, -1].reshape(-1, len(self.beds.rv))
        within = self.beds.venous + self.beds.rv * middle[-1]
        return within + self.beds.ram * np.sum(middle, axis=0), within - self.muscle[-1]


def with_ladders(
    parts: Stretches, network: Network, beds: Beds, inertance: Array, muscle: Array, period: float
) -> Ladders:
    """The vessels and beds as one circuit.

    Parameters
    ----------
    inertance
        (stretches,) of the vessels, Pa s^2 / m^3.
    muscle
        (n,) pressure on the vessels of the muscle, Pa, over a ``period``, s.
    """
    wiring, vessels = Wiring(len(muscle)), network.vessels
    wiring.elements(parts.upstream, vessels.linear, vessels.quadratic, inertance)
    wiring.terms = vessels.terms
    kinetic = np.zeros(len(beds.ra))
    kinetic[: len(network.kinetic)] = network.kinetic
    arterial = wiring.elements(parts.sink_upstream, beds.ra, kinetic)
    wiring.ends(arterial, stiffness=1.0 / beds.ca)
    if np.any(beds.cim > 0.0):
        middle = wiring.elements(arterial, beds.ram)
        wiring.ends(middle, stiffness=1.0 / beds.cim, pressure=np.tile(muscle, (len(middle), 1)))
        wiring.ends(middle, beds.rv, pressure=beds.venous)
    else:
        wiring.ends(arterial, beds.ram + beds.rv, pressure=beds.venous)
    return Ladders(wiring.circuit(period), beds, muscle)
