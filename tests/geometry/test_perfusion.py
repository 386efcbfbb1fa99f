"""Perfusion maps to the flow of each vessel's territory."""

import numpy as np
import pytest
import SimpleITK as sitk

from hemo.errors import InputError
from hemo.geometry.image.perfusion import UNITS, read_perfusion
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.geometry.territories import territory_flows
from hemo.tree import VesselTree
from hemo.units import ML_PER_MIN

SPACING = (3.0, 2.0, 4.0)  # mm


def image(values, spacing=SPACING, origin=(-10.0, -70.0, -70.0)):
    made = sitk.GetImageFromArray(values)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    return made


@pytest.fixture
def files(tmp_path):
    """A map of 2.5 mL/min/g and a mask of a block of muscle, 30 x 30 x 30 voxels of 24 mm^3."""
    values = np.full((40, 50, 40), 2.5, dtype=np.float32)
    mask = np.zeros(values.shape, dtype=np.uint8)
    mask[5:35, 10:40, 5:35] = 1
    sitk.WriteImage(image(values), str(tmp_path / "map.nii.gz"))
    sitk.WriteImage(image(mask), str(tmp_path / "mask.nii.gz"))
    return tmp_path / "map.nii.gz", tmp_path / "mask.nii.gz"


def test_the_muscle_takes_its_mass_times_its_perfusion(files):
    muscle = read_perfusion(*files, "mL/min/g")
    grams = 27000 * 24e-3 * 1.05  # 27,000 voxels of 24 mm^3
    assert len(muscle.points) == 27000
    assert muscle.flow.sum() / ML_PER_MIN == pytest.approx(2.5 * grams, rel=1e-6)
    low = np.array([-10 + 5 * 3, -70 + 10 * 2, -70 + 5 * 4]) * 1e-3
    assert muscle.points.min(axis=0) == pytest.approx(low)


@pytest.mark.parametrize(("unit", "factor"), [("mL/min/100 g", 100), ("mL/min/mL", 1.05), ("mL/min/100 mL", 105)])
def test_the_same_muscle_in_every_unit(files, unit, factor):
    values = sitk.ReadImage(str(files[0]))
    sitk.WriteImage(values * factor, str(files[0]))
    total = read_perfusion(*files, unit).flow.sum() / ML_PER_MIN
    assert total == pytest.approx(2.5 * 27000 * 24e-3 * 1.05, rel=1e-5)
    assert set(UNITS) == {"mL/min/g", "mL/min/100 g", "mL/min/mL", "mL/min/100 mL"}


def test_a_mask_on_another_grid(files):
    mask = np.ones((90, 60, 90), dtype=np.uint8)
    sitk.WriteImage(image(mask, (1.0, 1.0, 1.0), (5.0, -50.0, -50.0)), str(files[1]))
    muscle = read_perfusion(*files, "mL/min/g")
    assert len(muscle.points) * 24e-9 == pytest.approx(90 * 60 * 90 * 1e-9, rel=0.1)


def test_what_no_muscle_has_is_refused(files, tmp_path):
    with pytest.raises(InputError, match=r"check perfusion\.unit"):
        read_perfusion(*files, "mL/min/100 mL")
    with pytest.raises(InputError, match="no such file"):
        read_perfusion(tmp_path / "none.nii.gz", files[1], "mL/min/g")
    sitk.WriteImage(image(np.zeros((9, 9, 9), dtype=np.uint8)), str(files[1]))
    with pytest.raises(InputError, match="marks no muscle"):
        read_perfusion(*files, "mL/min/g")


def test_holes_in_the_map_get_the_mean(files, caplog):
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(files[0])))
    values[5:11] = np.nan
    sitk.WriteImage(image(values), str(files[0]))
    muscle = read_perfusion(*files, "mL/min/g")
    assert muscle.flow.sum() / ML_PER_MIN == pytest.approx(2.5 * 27000 * 24e-3 * 1.05, rel=1e-6)
    assert "20 % of the muscle has no value" in caplog.text


def test_each_piece_of_muscle_belongs_to_the_nearest_vessel(files, caplog):
    tree = left_coronary().tree
    muscle = read_perfusion(*files, "mL/min/g")
    flows = territory_flows([tree], muscle)["left"]
    assert "only the left tree" in caplog.text
    assert "LM" not in flows
    assert sum(flows.values()) == pytest.approx(muscle.flow.sum())
    some = np.random.default_rng(0).choice(len(muscle.points), 400, replace=False)
    branches = [branch for branch in tree.branches if branch.name != "LM"]
    gaps = np.stack(
        [np.linalg.norm(muscle.points[some, None] - branch.points[None], axis=2).min(axis=1) for branch in branches]
    )
    counted = np.bincount(gaps.argmin(axis=0), minlength=len(branches)) / len(some)
    for branch, share in zip(branches, counted, strict=True):
        assert flows[branch.name] / muscle.flow.sum() == pytest.approx(share, abs=0.06)


def test_two_trees_share_the_muscle(files, caplog):
    tree = left_coronary().tree
    mirrored = VesselTree("right", tuple(b.__class__(**{**b.__dict__, "points": -b.points}) for b in tree.branches))
    flows = territory_flows([tree, mirrored], read_perfusion(*files, "mL/min/g"))
    assert "was found" not in caplog.text
    assert sum(flows["left"].values()) > sum(flows["right"].values()) > 0.0
