"""The ready case with a known answer, whole: mesh, reduced and finite-element solve, on two ranks and on one."""

from pathlib import Path

import numpy as np
import pytest

from hemo import femresults, femstages, flowstage, meshstage, stages
from hemo.case import read_case
from hemo.indices import facet_geometry
from hemo.units import MMHG

CASES = Path(__file__).resolve().parents[2] / "cases" / "straight_stenosis"


def tell(_):
    """No progress display."""


class Run:
    """The stages of one case, their results kept."""

    def __init__(self, folder: Path, ranks: int, name: str = "case.toml", cells: float | None = None, **changes):
        path = CASES / name
        case = read_case(path)
        geometry = {"analytic": case.geometry.analytic.model_copy(update=changes)}
        fem = {"cells_per_diameter": cells or case.fem.cells_per_diameter}
        self.case = case.model_copy(
            update={
                "geometry": case.geometry.model_copy(update=geometry),
                "fem": case.fem.model_copy(update=fem),
            }
        )
        geometry = stages.load_geometry(self.case, path, folder)
        self.meshed = meshstage.mesh_tree(self.case, geometry, geometry.trees[0], folder / "vessel")
        start = flowstage.solve_reduced(self.case, self.meshed.tree)
        again = meshstage.mesher(geometry, geometry.trees[0], folder / "vessel")
        self.solution = femstages.solve_fem(
            self.case, self.meshed, start, folder / "vessel", folder, ranks, tell, again
        )
        self.result = femresults.with_fem(start, self.meshed, self.solution)

    @property
    def ffr(self):
        return self.result.fem.ffr("vessel")

    @property
    def drop(self):
        """Section-mean pressure from the inlet to the outlet, mmHg."""
        pressure = self.result.fem.branches["vessel"].pressure
        return (pressure[0] - pressure[-1]) / MMHG


@pytest.fixture(scope="module")
def mild(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("mild"), ranks=2)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("healthy"), ranks=2, severity=0.0)


def test_pressure_drop(mild):
    assert mild.drop == pytest.approx(3.512, rel=0.02)


@pytest.mark.timeout(2400)  # 657,000 unknowns: eight minutes on a fast machine, fifteen on a slow one
def test_pressure_drop_of_the_severe_lesion(tmp_path):
    assert Run(tmp_path, ranks=2, name="severe.toml").drop == pytest.approx(13.118, rel=0.02)


def test_one_and_two_ranks_agree(tmp_path):
    """On a coarse mesh: a solution does not depend on the ranks, however far from the exact one it is."""
    one, two = (Run(tmp_path / str(ranks), ranks, cells=4.0) for ranks in (1, 2))
    assert one.solution.ranks == 1
    assert two.solution.ranks == 2
    np.testing.assert_allclose(one.ffr, two.ffr, atol=1e-6)


def test_twenty_sections_carry_the_inflow(mild):
    inner = np.linspace(0, len(mild.solution.section_flow) - 1, 22).astype(int)[1:-1]
    flows = mild.solution.section_flow[inner]
    np.testing.assert_allclose(flows, mild.case.flow.inlet_flow, rtol=0.005)


def test_axial_force_on_the_upstream_half_of_the_lesion(mild):
    """The wall holds what pressure (above the throat) and momentum lose from the start of the lesion to its throat."""
    tree, solution = mild.meshed.tree, mild.solution
    (lesion,), arc = tree.lesions, tree["vessel"].arc
    first, last = (int(np.argmin(np.abs(arc - place))) for place in (lesion.start, lesion.minimum))
    assert arc[[first, last]] == pytest.approx([lesion.start, lesion.minimum], abs=1e-9)
    datum = solution.section_pressure[last]
    thrust = (solution.section_pressure - datum) * solution.section_area + solution.section_momentum
    middle, area, normal = facet_geometry(solution.wall)
    half = (middle[:, 2] > lesion.start) & (middle[:, 2] < lesion.minimum)
    axial = (solution.wall.facet_pressure - datum) * normal[:, 2] + solution.wall.facet_shear[:, 2]
    assert axial[half] @ area[half] == pytest.approx(thrust[first] - thrust[last], rel=0.02)


def test_healthy_vessel_is_poiseuille(healthy):
    blood = healthy.case.fluid()
    radius, length, flow = 1.5e-3, 60e-3, healthy.case.flow.inlet_flow
    shear = 4 * blood.viscosity * flow / (np.pi * radius**3)
    assert healthy.drop * MMHG == pytest.approx(2 * shear * length / radius, rel=0.01)
    middle, area, _ = facet_geometry(healthy.solution.wall)
    inner = (middle[:, 2] > 2 * radius) & (middle[:, 2] < length - 2 * radius)
    wss = np.linalg.norm(healthy.solution.wall.facet_shear[inner], axis=1)
    assert np.average(wss, weights=area[inner]) == pytest.approx(shear, rel=0.01)
    assert np.std(wss) < 0.02 * shear
