import json

import jsonschema
import numpy as np
import pytest

from hemo.boundary import Physiology, flow_conditions
from hemo.cli.schema import load_schema
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
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
