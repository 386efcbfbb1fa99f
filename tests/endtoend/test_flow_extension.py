"""A straight tube with a flow extension: the true end has what was asked of it, the extension is in no result."""

from pathlib import Path

import numpy as np
import pytest

from hemo import femresults, femstages, flowstage, meshstage, stages
from hemo.case import check_case
from hemo.errors import InputError

LENGTH, FLOW, VISCOSITY = 10e-3, 1e-6, 3.5e-3


class Run:
    """A healthy tube of 3 mm with the given extensions, through all stages."""

    def __init__(self, folder: Path, **geometry: str):
        tube = {
            "diameter": "3 mm",
            "length": "10 mm",
            "severity": 0.0,
            "lesion_length": "4 mm",
            "lesion_centre": "5 mm",
        }
        self.case = check_case(
            {
                "case": {"name": "tube"},
                "geometry": {"analytic": tube, **geometry},
                "patient": {"mean_pressure": "93 mmHg"},
                "flow": {"inlet_flow": "1 mL/s"},
                "fem": {"cells_per_diameter": 6},
            },
            "test",
        )
        found = stages.load_geometry(self.case, folder / "case.toml", folder)
        self.meshed = meshstage.mesh_tree(self.case, found, found.trees[0], folder / "vessel")
        self.start = flowstage.solve_reduced(self.case, self.meshed.tree)
        self.solution = femstages.solve_fem(
            self.case, self.meshed, self.start, folder / "vessel", folder, 1, lambda _: None
        )
        self.result = femresults.with_fem(self.start, self.meshed, self.solution)

    @property
    def above_venous(self) -> float:
        """Pressure at the true end less venous pressure, before the level is set to the aortic pressure, Pa."""
        pressure = self.result.fem.branches["vessel"].pressure[-1] - self.solution.level_shift
        return float(pressure - self.start.conditions.venous_pressure)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("extended"), flow_extension="3 diameters", inlet_extension="5 mm")


def test_the_bed_s_resistance_stands_at_the_true_end(plain, extended):
    wanted = FLOW * plain.start.conditions.outlet_resistance["vessel"]
    own = 128 * VISCOSITY * 9e-3 / (np.pi * (3e-3) ** 4) * FLOW  # what the extension loses: it must not add to it
    assert own > 10.0
    assert extended.above_venous == pytest.approx(wanted, abs=0.03 * own)
    assert plain.above_venous == pytest.approx(wanted, abs=0.03 * own)


def test_the_vessel_loses_what_poiseuille_says(plain, extended):
    drop = 128 * VISCOSITY * LENGTH * FLOW / (np.pi * (3e-3) ** 4)
    for run in (plain, extended):
        pressure = run.result.fem.branches["vessel"].pressure
        assert pressure[0] - pressure[-1] == pytest.approx(drop, rel=0.015)
    ffr = [run.result.fem.ffr("vessel")[[0, -1]] for run in (plain, extended)]
    np.testing.assert_allclose(ffr[1], ffr[0], atol=5e-5)


def test_no_result_counts_the_extension(plain, extended):
    assert extended.meshed.tree.root.length == plain.meshed.tree.root.length == pytest.approx(LENGTH)
    cell = 0.5e-3
    for points in (extended.result.traction.points, femresults.volume(extended.meshed, extended.solution).mesh.points):
        assert points[:, 2].min() > -cell and points[:, 2].max() < LENGTH + cell
    assert extended.solution.wall.points[:, 2].max() == pytest.approx(LENGTH + 9e-3, abs=0.1e-3)
    volumes = [femresults.volume(run.meshed, run.solution).mesh.cell_volumes().sum() for run in (plain, extended)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.01)
    shear = [np.linalg.norm(run.result.traction.facet_shear, axis=1).mean() for run in (plain, extended)]
    assert shear[1] == pytest.approx(shear[0], rel=0.01)


def test_an_extension_longer_than_the_bed_is_refused(extended):
    conditions = extended.start.conditions
    weak = type(conditions)(conditions.aortic_pressure, conditions.venous_pressure, {"vessel": 1.0}, FLOW)
    with pytest.raises(InputError, match=r"shorten geometry\.flow_extension"):
        femstages.far_conditions(weak, extended.start.reduced, extended.meshed, VISCOSITY)
