"""Indices of the microvascular bed, from two states' flows or transit times and the pressures of a trace.

*CFR*: hyperaemic over resting flow; resting over hyperaemic mean transit time of a bolus of saline (De Bruyne et al.,
Circulation 2001;104:2003; not confirmed in the original). *IMR*: distal pressure times transit time, both hyperaemic,
mmHg s (Fearon et al., Circulation 2003;107:3129; not confirmed); corrected for collateral flow in a stenosed vessel:
P_a T (1.35 P_d/P_a - 0.32) (Yong et al., JACC Cardiovasc Interv 2013;6:53; not confirmed). *MRR*: (CFR / FFR)
(P_a,rest / P_a,hyperaemia) (De Bruyne et al., J Am Coll Cardiol 2021;78:1541; as in docs/physics.md). Hyperaemic
*resistance*: distal pressure over flow, mmHg min/mL.
"""

from __future__ import annotations

from dataclasses import dataclass

from hemo.errors import InputError
from hemo.units import MMHG, MMHG_MIN_PER_ML
from hemo.wire.indices import Hyperaemic, Resting


@dataclass(frozen=True)
class FlowMeasurement:
    """What was measured beside the pressures: two flows, m^3/s, or two mean transit times, s.

    ``absolute`` is False for a flow in a unit of its own, such as a velocity: then only its ratio is used.
    """

    rest: float
    hyperaemia: float
    kind: str  # "flow" or "transit"
    absolute: bool = True

    def __post_init__(self) -> None:
        if not (self.rest > 0.0 and self.hyperaemia > 0.0):
            raise InputError(f"{self.kind} at rest and at hyperaemia must be positive; correct them.")
        if self.kind == "transit" and not max(self.rest, self.hyperaemia) < 10.0:
            raise InputError("a mean transit time of 10 s or more is none of a coronary's; check its unit.")
        if not 0.2 <= self.reserve <= 15.0:
            raise InputError(f"the flow reserve of {self.reserve:.3g} is outside 0.2 to 15; check both values.")

    @property
    def reserve(self) -> float:
        """CFR."""
        return self.rest / self.hyperaemia if self.kind == "transit" else self.hyperaemia / self.rest


@dataclass(frozen=True)
class Microvascular:
    """CFR, and what needs pressures too; None where these are not known."""

    cfr: float
    mrr: float | None
    imr: float | None
    imr_corrected: float | None
    resistance: float | None


def microvascular(measured: FlowMeasurement, rest: Resting | None, full: Hyperaemic | None) -> Microvascular:
    """The indices that this trace allows. IMR in mmHg s, resistance in mmHg min/mL."""
    ffr = None if full is None else full.ffr.value
    if full is None or ffr is None or full.aortic is None or full.distal is None:
        return Microvascular(measured.reserve, None, None, None, None)
    mrr = None
    if rest is not None and rest.aortic is not None:
        mrr = measured.reserve / ffr * rest.aortic / full.aortic
    if measured.kind == "transit":
        seconds = measured.hyperaemia
        corrected = full.aortic / MMHG * seconds * (1.35 * ffr - 0.32)
        return Microvascular(measured.reserve, mrr, full.distal / MMHG * seconds, corrected, None)
    resistance = full.distal / measured.hyperaemia / MMHG_MIN_PER_ML if measured.absolute else None
    return Microvascular(measured.reserve, mrr, None, None, resistance)
