"""The reduced model's loss laws against the axisymmetric Navier-Stokes solution of three straight stenoses."""

from __future__ import annotations

from typing import get_args

import numpy as np
from matplotlib.figure import Figure

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.reduced import LossOptions, solve
from hemo.reduced.losses import LawName
from hemo.units import ML_PER_S, MMHG
from validation.table import DOCS, Table, publish

# Mean-pressure drop over 60 mm, mmHg, of the axisymmetric solution converged to the digits given (physics sheet).
REFERENCE = {(0.5, 1.5): 3.512, (0.6, 2.0): 13.118, (0.6, 3.0): 27.9}
# ... and of the last at the lesion's end, 20 mm and 35 mm beyond it.
BEHIND = {0.0: 33.4, 20.0: 30.1, 35.0: 27.9}


def pressures(severity: float, flow: float, law: LawName) -> tuple[np.ndarray, np.ndarray]:
    """Arc lengths, mm, of the straight vessel and the pressure drop from where a developed flow enters, mmHg."""
    _, tree = straight_stenosis(severity=severity)
    conditions = FlowConditions(100.0 * MMHG, 0.0, {"vessel": 0.0}, flow * ML_PER_S)
    pressure = solve(tree, conditions, Blood(), LossOptions(law=law)).branches["vessel"].pressure
    branch = tree["vessel"]
    # hemo's own law lets a flat profile in, whose pressure is higher by its kinetic one.
    entering = (LossOptions(law=law).profile - 1.0) * 0.5 * Blood().density * (flow * ML_PER_S / branch.area[0]) ** 2
    return branch.arc / 1e-3, (pressure[0] - entering - pressure) / MMHG


def drop(severity: float, flow: float, law: LawName) -> float:
    """The drop over the whole vessel, mmHg."""
    return float(pressures(severity, flow, law)[1][-1])


def main() -> None:
    """Tables over the laws, and behind a lesion; figure over the flow."""
    names: tuple[LawName, ...] = get_args(LawName)
    rows = []
    for (severity, flow), reference in REFERENCE.items():
        computed = [drop(severity, flow, law) for law in names]
        cells = [f"{value:.2f} ({100 * (value / reference - 1):+.0f} %)" for value in computed]
        rows.append((f"{100 * severity:.0f} %, {flow:g} mL/s", f"{reference:g}", *cells))
    columns = ("stenosis, flow", "axisymmetric / mmHg", *names)
    publish(Table("loss_law", columns, tuple(rows), "`fitted` is the default."))
    rows = []
    for place, reference in BEHIND.items():
        cells = [f"{np.interp(25.0 + place, *pressures(0.6, 3.0, law)):.1f}" for law in names]
        rows.append((f"{place:g} mm", f"{reference:g}", *cells))
    columns = ("behind the lesion's end", "axisymmetric / mmHg", *names)
    publish(Table("loss_law_behind", columns, tuple(rows), "60 %, 3 mL/s: what has been lost so far."))
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    flows = np.linspace(0.2, 3.5, 40)
    for severity, colour in ((0.5, "#1b4f8a"), (0.6, "#c0561f")):
        for law, style in (("fitted", "-"), ("borda_carnot", ":")):
            label = f"{100 * severity:.0f} %, {law}"
            axes.plot(flows, [drop(severity, q, law) for q in flows], style, color=colour, label=label)  # type: ignore[arg-type]
    for (severity, flow), reference in REFERENCE.items():
        axes.plot(flow, reference, "o", color="#1b4f8a" if severity == 0.5 else "#c0561f")
    axes.set(xlabel="flow / mL/s", ylabel="pressure drop / mmHg", title="dots: axisymmetric Navier-Stokes")
    axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "loss_law.svg", metadata={"Date": None})
