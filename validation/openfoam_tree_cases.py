"""The flow in a vessel tree as a case of OpenFOAM's: dictionaries and first fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hemo.tetmesh import INLET
from validation.openfoam_cases import CONTROL, DENSITY, SCHEMES, SOLUTION, VISCOSITY
from validation.openfoam_grid import header

GRADIENTS = "gradSchemes { default Gauss linear; grad(U) cellLimited Gauss linear 1; }"
ANY_PATCH, WALL_PATCHES = '".*"', '"wall.*"'  # the later pattern counts, and a patch's own name before any
# As on the straight stenoses, but limited: without that the pressure at one outlet kept drifting.
LIMITED_SCHEMES = (
    SCHEMES.replace("gradSchemes { default Gauss linear; }", GRADIENTS)
    .replace("linear corrected", "linear limited corrected 0.5")
    .replace("snGradSchemes { default corrected; }", "snGradSchemes { default limited corrected 0.5; }")
)
PISO_CONTROL = """application pisoFoam;
startFrom startTime; startTime 0; stopAt endTime; endTime {end:.10g}; deltaT {step:.10g};
writeControl runTime; writeInterval 1000; writeFormat binary; writePrecision 12; runTimeModifiable false;
"""
PISO_SCHEMES = LIMITED_SCHEMES.replace("steadyState", "backward").replace("bounded Gauss", "Gauss")
PISO_SOLUTION = """solvers
{
    p { solver GAMG; smoother GaussSeidel; tolerance 1e-6; relTol 0.05; }
    pFinal { $p; relTol 0; }
    U { solver smoothSolver; smoother symGaussSeidel; tolerance 1e-6; relTol 0; }
}
PISO { nCorrectors 2; nNonOrthogonalCorrectors 0; }
"""


def write_steady(case: Path, flow: Mapping[str, float], ranks: int) -> None:
    """Everything of a steady flow but its mesh; flows, m^3/s, as :func:`write_fields` wants them."""
    write_dictionaries(case, CONTROL, LIMITED_SCHEMES, SOLUTION, ranks)
    write_fields(case, {name: f"{value:.10g}" for name, value in flow.items()})


def write_unsteady(case: Path, tables: Mapping[str, str], step: float, steps: int, ranks: int) -> None:
    """Turn a decomposed steady case into one of pisoFoam with so many steps, s; the flows are tables over time."""
    write_dictionaries(case, PISO_CONTROL.format(end=step * steps, step=step), PISO_SCHEMES, PISO_SOLUTION, ranks)
    for file in case.glob("processor*/0/U"):
        data = file.read_bytes()
        for name, table in tables.items():
            entry = rb"(\b%b\s*{\s*type\s+\w+;\s*volumetricFlowRate\s+)[^;]*;" % name.encode()
            data = re.sub(entry, lambda found, table=table: found[1] + table.encode() + b";", data, count=1)
        file.write_bytes(data)


def write_mesh_control(case: Path) -> None:
    """The dictionaries without which no program of OpenFOAM starts; the mesh is text, for its faces are read."""
    write_dictionaries(case, CONTROL, LIMITED_SCHEMES, SOLUTION, 1)


def write_dictionaries(case: Path, control: str, schemes: str, solution: str, ranks: int) -> None:
    """Put the dictionaries of a laminar flow into the folders of a case."""
    texts = {
        "system/controlDict": control,
        "system/fvSchemes": schemes,
        "system/fvSolution": solution,
        "system/decomposeParDict": f"numberOfSubdomains {ranks};\nmethod simple;\n"
        f"simpleCoeffs {{ n (1 {ranks} 1); delta 0.001; }}\n",
        "constant/transportProperties": f"transportModel Newtonian;\nnu {VISCOSITY / DENSITY:.12g};\n",
        "constant/turbulenceProperties": "simulationType laminar;\n",
    }
    for name, text in texts.items():
        (case / name).parent.mkdir(parents=True, exist_ok=True)
        (case / name).write_text(header("dictionary", Path(name).name) + text)


def write_fields(case: Path, flow: Mapping[str, str]) -> None:
    """First fields, at rest; ``flow`` is what the inlet takes in and all outlets but one give, m^3/s, by cap."""
    patches = {
        ANY_PATCH: ("type zeroGradient;", "type fixedValue; value uniform 0;"),
        WALL_PATCHES: ("type noSlip;", "type zeroGradient;"),
    }
    for name, value in flow.items():
        kind = "flowRateInletVelocity" if name == INLET else "flowRateOutletVelocity"
        velocity = f"type {kind}; volumetricFlowRate {value}; value uniform (0 0 0);"
        patches[name] = velocity, "type fixedFluxPressure; value uniform 0;"
    kinds = {"U": ("volVectorField", "[0 1 -1 0 0 0 0]", "(0 0 0)"), "p": ("volScalarField", "[0 2 -2 0 0 0 0]", "0")}
    (case / "0").mkdir(exist_ok=True)
    for column, (name, (kind, unit, zero)) in enumerate(kinds.items()):
        boundary = "\n".join(f"{patch} {{ {told[column]} }}" for patch, told in patches.items())
        text = f"dimensions {unit};\ninternalField uniform {zero};\nboundaryField\n{{\n{boundary}\n}}\n"
        (case / "0" / name).write_text(header(kind, name) + text)
