import json

import jsonschema
import numpy as np
import pytest

from hemo.boundary import Physiology, flow_conditions
from hemo.cli.schema import load_schema
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.tree import Branch, Lesion, VesselTree
from hemo.treecalibration import Apart, Calibration, Fit, TreeCalibration
from hemo.treejson import document, parse_trees, tree_to_json


def test_a_tree_survives_the_round_trip_to_a_nanometre():
    tree = left_coronary().tree
    conditions = flow_conditions(tree, Physiology(mean_pressure=12000.0))
    text = json.dumps(document([tree_to_json(tree, conditions)]))
    (stored,) = parse_trees(text, "test")
    assert stored.lesions_listed
    for one, other in zip(tree.branches, stored.tree.branches, strict=True):
        assert np.abs(one.points - other.points).max() < 1e-9
        assert np.abs(one.area / other.area - 1.0).max() < 1e-5
        assert (one.name, one.parent, one.parent_index) == (other.name, other.parent, other.parent_index)
    assert stored.tree.lesions[0].minimal_lumen_area == pytest.approx(tree.lesions[0].minimal_lumen_area)
    for name, value in conditions.outlet_resistance.items():
        assert stored.conditions.outlet_resistance[name] == pytest.approx(value)
    jsonschema.validate(json.loads(text), load_schema("tree"))


def test_a_hand_written_tree_needs_little():
    text = '{"branches": [{"name": "LAD", "arc_length_mm": [0, 50], "radius_mm": [1.5, 1.0]}]}'
    jsonschema.validate(json.loads(text), load_schema("tree"))
    (stored,) = parse_trees(text, "test")
    assert stored.tree["LAD"].length == pytest.approx(0.05)
    assert stored.tree["LAD"].area[0] == pytest.approx(np.pi * 1.5e-3**2)
    assert not stored.lesions_listed
    assert stored.conditions is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "JSON object"),
        ('{"schema_version": 99, "branches": []}', "schema_version"),
        ('{"branches": []}', "branches"),
        ('{"branches": [{"name": "a", "radius_mm": [1, 1]}]}', "arc_length_mm"),
        ('{"branches": [{"name": "a", "arc_length_mm": [0, 1], "radius_mm": [1, "x"]}]}', "numbers only"),
        ('{"branches": [{"name": "a", "arc_length_mm": [0, 1], "radius_mm": [1, -1]}]}', "positive"),
        ('{"branches": [{"name": "a", "arc_length_mm": [0, 1], "radus_mm": [1, 1]}]}', "radus_mm"),
        ('{"branches": [{"name": "a", "arc_length_mm": [0, NaN], "radius_mm": [1, 1]}]}', "finite"),
        ('{"branches": [{"name": 7, "arc_length_mm": [0, 1], "radius_mm": [1, 1]}]}', "must be text"),
        ('{"branches": [{"name": "a", "points_mm": [[0, 0], [1, 1]], "radius_mm": [1, 1]}]}', "points_mm"),
        ('{"trees": []}', "at least one tree"),
    ],
)
def test_bad_tree_files_get_one_sentence(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_trees(text, "tree.json")
    assert "tree.json" in str(caught.value) or "tree" in str(caught.value)


def calibrated():
    tree = left_coronary().tree
    rng = np.random.default_rng(0)
    count = sum(len(branch.points) - 1 for branch in tree.branches)
    losses = Calibration(rng.uniform(0.3, 5.0, count), rng.uniform(0.0, 5.0, count), rng.uniform(0.0, 20.0, count))
    fit = Fit("fem", "rest", 3e-6, 5000, 4.5, 5.0, 9.0, 4, Apart(0.01, 0.02), Apart(0.001, 0.002), "results/left")
    return tree, TreeCalibration(losses, 1060.0, 3.5e-3, False, 12, (fit, fit))


def test_a_calibration_survives_the_round_trip():
    tree, calibration = calibrated()
    text = json.dumps(document([tree_to_json(tree, calibration=calibration)]))
    jsonschema.validate(json.loads(text), load_schema("tree"))
    (stored,) = parse_trees(text, "test")
    for name in ("friction", "lesion", "kinetic"):
        np.testing.assert_allclose(
            getattr(stored.calibration.losses, name), getattr(calibration.losses, name), atol=1e-6
        )
    assert stored.calibration.losses.law == "fitted"
    assert stored.calibration.fits[0].inlet_flow == pytest.approx(3e-6)
    assert (stored.calibration.fits[1].state, stored.calibration.pieces) == ("rest", 12)
    assert stored.calibration.fits[0].after == Apart(0.001, 0.002)
    assert "2 steady 3D solutions" in stored.calibration.sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, b: b["friction_factor"].pop(), "it is of another tree"),
        (lambda t, b: b.update(friction_factor=[b["friction_factor"]]), "it is of another tree"),
        (lambda t, b: b["lesion_factor"].__setitem__(0, float("nan")), "finite numbers"),
        (lambda t, b: b["lesion_factor"].__setitem__(0, None), "finite numbers"),
        (lambda t, b: b["lesion_factor"].__setitem__(0, "one"), "numbers only"),
        (lambda t, b: b["lesion_factor"].__setitem__(0, -0.1), "lesion has -0.1, outside 0 to 5"),
        (lambda t, b: b["friction_factor"].__setitem__(3, 5.1), "friction has 5.1, outside 0.3 to 5"),
        (lambda t, b: b["kinetic_per_10_mm"].__setitem__(3, 1e13), "kinetic has 1e"),
        (lambda t, b: b["kinetic_per_10_mm"].__setitem__(0, 10**400), "numbers only"),
        (lambda t, b: t["calibration"].update(pieces=10**400), "pieces must be a finite number"),
        (lambda t, b: b.pop("kinetic_per_10_mm"), "'kinetic_per_10_mm' is missing"),
        (lambda t, b: b.update(more=[1.0]), "the key 'more' is unknown"),
        (lambda t, b: t["branches"][2].pop("calibration"), "a part is missing"),
        (lambda t, b: t.pop("calibration"), "a part is missing"),
        (lambda t, b: t["calibration"].update(law=3), "name of a loss law"),
        (lambda t, b: t["calibration"].update(solutions=[]), "at least one entry"),
        (lambda t, b: t["calibration"].update(solutions=[3]), "JSON object"),
        (lambda t, b: t["calibration"]["solutions"][0].pop("ffr_apart_after"), "JSON object"),
        (lambda t, b: t["calibration"].pop("viscosity_pa_s"), "viscosity_pa_s must be a finite number"),
        (lambda t, b: t.update(calibration=[]), "JSON object"),
        (lambda t, b: t["branches"][0].update(calibration=7), "JSON object"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(change, words):
    tree, calibration = calibrated()
    data = tree_to_json(tree, calibration=calibration)
    change(data, data["branches"][1]["calibration"])
    with pytest.raises(InputError, match=words):
        parse_trees(json.dumps(data), "test")


def test_a_lesion_that_ends_with_its_vessel_comes_back_from_a_file() -> None:
    """The points of a file are rounded, so that the vessel may come out a trifle shorter than its lesion's end."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = np.cumsum(rng.uniform(0.0, 1e-3, (60, 3)), axis=0)
        radius = np.full(60, 1.5e-3)
        branch = Branch("LAD", points, radius, np.pi * radius**2, radius)
        lesion = Lesion("LAD_1", "LAD", 0.5 * branch.length, 0.8 * branch.length, branch.length, 3e-6, 7e-6, 0.1, 0.1)
        text = json.dumps(tree_to_json(VesselTree("left", (branch,), (lesion,))))
        (back,) = parse_trees(text, "test")
        assert back.tree.lesions[0].end == pytest.approx(branch.length, rel=1e-6)
