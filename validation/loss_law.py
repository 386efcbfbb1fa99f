"""The reduced model's loss law against the axisymmetric Navier-Stokes solution of three straight stenoses."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.reduced import LossOptions, solve
from hemo.units import ML_PER_S, MMHG
from validation.table import DOCS, Table, publish

# Mean-pressure drop over 60 mm, mmHg, of the axisymmetric solution converged to the digits given (physics sheet).
REFERENCE = {(0.5, 1.5): 3.512, (0.6, 2.0): 13.118, (0.6, 3.0): 27.9}
FACTORS = (0.0, 0.8, 1.0, 1.2, 1.52)


def drop(severity: float, flow: float, expansion: float) -> float:
    """Pressure drop of the straight vessel in mmHg at ``flow`` mL/s."""
    _, tree = straight_stenosis(severity=severity)
    conditions = FlowConditions(100.0 * MMHG, 0.0, {"vessel": 0.0}, flow * ML_PER_S)
    pressure = solve(tree, conditions, Blood(), LossOptions(expansion)).branches["vessel"].pressure
    return float(pressure[0] - pressure[-1]) / MMHG


def main() -> None:
    """Table over the expansion constant; figure over the flow."""
    rows = []
    for (severity, flow), reference in REFERENCE.items():
        computed = [drop(severity, flow, factor) for factor in FACTORS]
        cells = [f"{value:.2f} ({100 * (value / reference - 1):+.0f} %)" for value in computed]
        rows.append((f"{100 * severity:.0f} %, {flow:g} mL/s", f"{reference:g}", *cells))
    columns = ("stenosis, flow", "axisymmetric / mmHg", *(f"K_t = {factor:g}" for factor in FACTORS))
    publish(Table("loss_law", columns, tuple(rows), "K_t = 1 is the default; 1.52 was fitted to blunt plugs."))
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    flows = np.linspace(0.2, 3.5, 40)
    for severity, colour in ((0.5, "#1b4f8a"), (0.6, "#c0561f")):
        axes.plot(
            flows, [drop(severity, q, 1.0) for q in flows], color=colour, label=f"{100 * severity:.0f} %, reduced"
        )
    for (severity, flow), reference in REFERENCE.items():
        axes.plot(flow, reference, "o", color="#1b4f8a" if severity == 0.5 else "#c0561f")
    axes.set(xlabel="flow / mL/s", ylabel="pressure drop / mmHg", title="dots: axisymmetric Navier-Stokes")
    axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "loss_law.svg", metadata={"Date": None})
