"""The straight stenosis as a case of OpenFOAM's simpleFoam: dictionaries, first fields, and the pressure it writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from validation.openfoam_grid import CORE, Array, OGrid, header

DENSITY, VISCOSITY = 1060.0, 3.5e-3
INTERVAL = 5  # iterations between the pressures that are written
CHOICES = (
    "SIMPLEC (velocity relaxed by 0.9, pressure not), from rest, until the initial residuals are below 1e-4; "
    "convection `linearUpwind`, gradients and diffusion `linear`; pressure by GAMG with GaussSeidel to 0.1, velocity "
    "by symGaussSeidel to 0.1; `renumberMesh`; two ranks by `simple` along the vessel"
)


def write_dictionaries(case: Path, grid: OGrid, ranks: int) -> None:
    """Make the case's folders and dictionaries."""
    texts = {
        "system/blockMeshDict": block_mesh(grid),
        "system/controlDict": CONTROL,
        "system/fvSchemes": SCHEMES,
        "system/fvSolution": SOLUTION,
        "system/decomposeParDict": f"numberOfSubdomains {ranks};\nmethod simple;\n"
        f"simpleCoeffs {{ n (1 1 {ranks}); delta 0.001; }}\n",
        "constant/transportProperties": f"transportModel Newtonian;\nnu {VISCOSITY / DENSITY:.12g};\n",
        "constant/turbulenceProperties": "simulationType laminar;\n",
    }
    for folder in ("system", "constant", "0"):
        (case / folder).mkdir(parents=True)
    for name, text in texts.items():
        (case / name).write_text(header("dictionary", Path(name).name) + text)


def write_binary(case: Path) -> None:
    """What OpenFOAM writes from now on is binary; the mesh had to be text, for its points are moved."""
    control = case / "system" / "controlDict"
    control.write_text(control.read_text().replace("writeFormat ascii", "writeFormat binary"))


def write_fields(case: Path, speed: Array) -> None:
    """The first fields: at rest, with the given axial velocities (n,), m/s, at the inlet's faces."""
    values = "\n".join(f"(0 0 {w:.10g})" for w in speed)
    inlet = f"type fixedValue; value nonuniform List<vector> {len(speed)}\n(\n{values}\n);"
    (case / "0" / "U").write_text(header("volVectorField", "U") + VELOCITY.replace("INLET", inlet))
    (case / "0" / "p").write_text(header("volScalarField", "p") + PRESSURE)


def block_mesh(grid: OGrid) -> str:
    """Five blocks in the box [-1, 1]^2 x [0, 1], the core's sides at ``CORE``."""
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    places = [(size * x, size * y, z) for z in (0, 1) for size in (CORE, 1.0) for x, y in corners]
    sides = [(k, (k + 1) % 4) for k in range(4)]
    floors = [(0, 1, 2, 3), *((4 + k, 4 + j, j, k) for k, j in sides)]
    across = [(grid.side, grid.side), *(4 * [(grid.side, grid.radial)])]
    blocks = [
        f"hex {_list((*floor, *(v + 8 for v in floor)))} {_list((*cells, grid.axial))} simpleGrading (1 1 1)"
        for floor, cells in zip(floors, across, strict=True)
    ]
    patches = (
        ("inlet", "patch", floors),
        ("outlet", "patch", [tuple(v + 8 for v in floor) for floor in floors]),
        ("wall", "wall", [(4 + k, 4 + j, 12 + j, 12 + k) for k, j in sides]),
    )
    boundary = [f"{name} {{ type {kind}; faces ({' '.join(map(_list, faces))}); }}" for name, kind, faces in patches]
    parts = {"vertices": map(_list, places), "blocks": blocks, "boundary": boundary}
    return "".join(f"{name}\n(\n" + "\n".join(lines) + "\n);\n" for name, lines in parts.items())


def mean_inlet_pressure(file: Path, areas: Array) -> float:
    """Area mean over the inlet, Pa, of a binary p, in which the inlet is whole; 0 is the outlet's."""
    data = file.read_bytes()
    found = re.search(rb"inlet\s*{.*?\svalue\s+nonuniform List<scalar>\s+(\d+)\s*\(", data, re.DOTALL)
    assert found is not None and int(found[1]) == len(areas)
    values = np.frombuffer(data, dtype=float, count=len(areas), offset=found.end())
    return DENSITY * float(values @ areas) / float(areas.sum())


def pressure_drops(case: Path, areas: Array) -> dict[int, float]:
    """Iteration -> pressure drop, Pa, of every field that simpleFoam wrote; the inlet is the first rank's."""
    files = {int(file.parent.name): file for file in (case / "processor0").glob("*/p")}
    return {k: mean_inlet_pressure(files[k], areas) for k in sorted(files) if k > 0}


def _list(values: Iterable[float]) -> str:
    return f"({' '.join(f'{value:g}' for value in values)})"


# fixedFluxPressure is zeroGradient where the velocity is given, and writes the patch's values.
PRESSURE = """dimensions [0 2 -2 0 0 0 0];
internalField uniform 0;
boundaryField
{
    inlet { type fixedFluxPressure; value uniform 0; }
    outlet { type fixedValue; value uniform 0; }
    wall { type zeroGradient; }
}
"""

VELOCITY = """dimensions [0 1 -1 0 0 0 0];
internalField uniform (0 0 0);
boundaryField
{
    inlet { INLET }
    outlet { type zeroGradient; }
    wall { type noSlip; }
}
"""

# No function object looks at the pressure: in Debian's build of 1912 every one ends the run ("error in IOstream sha1").
CONTROL = f"""application simpleFoam;
startFrom startTime; startTime 0; stopAt endTime; endTime 1000; deltaT 1;
writeControl timeStep; writeInterval {INTERVAL}; writeFormat ascii; writePrecision 12; runTimeModifiable false;
"""

SCHEMES = """ddtSchemes { default steadyState; }
gradSchemes { default Gauss linear; }
divSchemes
{
    default none;
    div(phi,U) bounded Gauss linearUpwind grad(U);
    div((nuEff*dev2(T(grad(U))))) Gauss linear;
}
laplacianSchemes { default Gauss linear corrected; }
interpolationSchemes { default linear; }
snGradSchemes { default corrected; }
"""

SOLUTION = """solvers
{
    p { solver GAMG; smoother GaussSeidel; tolerance 1e-9; relTol 0.1; }
    U { solver smoothSolver; smoother symGaussSeidel; tolerance 1e-10; relTol 0.1; }
}
SIMPLE
{
    consistent yes;
    nNonOrthogonalCorrectors 0;
    residualControl { p 1e-4; U 1e-4; }
}
relaxationFactors { equations { U 0.9; } }
"""
