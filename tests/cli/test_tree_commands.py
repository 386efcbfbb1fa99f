"""``hemo plan``, ``hemo uncertainty`` and ``hemo lines``: what comes back, and what bad input gets."""

import json

import jsonschema
import pytest
from click.testing import CliRunner

from hemo.cli.lines import Patient, answered
from hemo.cli.plan import plan_command
from hemo.cli.reduced import reduced
from hemo.cli.schema import load_schema
from hemo.cli.uncertainty import uncertainty_command
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.given import QUANTITIES
from hemo.treejson import tree_to_json

PATIENT = {"systolic": "128 mmHg", "diastolic": "76 mmHg", "myocardial_mass": "135 g"}
OPTIONS = [word for name, value in PATIENT.items() for word in ("--" + name.replace("_", "-"), value)]
TREE = tree_to_json(left_coronary(0.6).tree)


def run(command, *options):
    done = CliRunner().invoke(command, ["-", *OPTIONS, *options], input=json.dumps(TREE), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (tree,) = json.loads(done.stdout)["trees"]
    return tree


def refused(command, *options):
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(
            command, ["-", *OPTIONS, *options], input=json.dumps(TREE), catch_exceptions=False, standalone_mode=False
        )
    return str(caught.value)


def test_a_plan_begins_where_the_reduced_model_ends():
    before, planned = run(reduced), run(plan_command)
    ffr = {branch["name"]: branch["ffr"] for branch in before["branches"]}
    for name, value in planned["before"]["outlets"].items():
        assert value == pytest.approx(ffr[name], abs=1e-9)
    (lesion,) = planned["lesions"]
    assert lesion["gain"] == pytest.approx(lesion["ffr_alone_opened"] - lesion["ffr_before"])
    assert lesion["ffr_before"] == pytest.approx(before["lesions"][0]["ffr_distal"], abs=1e-9)
    assert planned["after"]["outlets"]["LAD"] > 0.95
    assert planned["order"]["LAD"][0]["lesion"] == "LAD_1"


def test_a_stents_diameter_and_expansion_count():
    small = run(plan_command, "--stent", "LAD_1=2.0 mm", "--expansion", "0.8")
    large = run(plan_command, "--stent", "LAD_1=3.5 mm")
    assert small["lesions"][0]["gain"] < large["lesions"][0]["gain"]
    assert "no tree has that lesion" in refused(plan_command, "--stent", "RCA_1")
    assert "--stent LAD_1" in refused(plan_command, "--stent", "LAD_1=3.5 mmHg")


def test_uncertainty_gives_an_interval_and_what_to_measure():
    pytest.importorskip("SALib")
    found = run(uncertainty_command, "--samples", "64", "--voxel-size", "0.4 mm")
    assert found == run(uncertainty_command, "--samples", "64", "--lumen-deviation", "0.1 mm")
    (lesion,) = found["lesions"]
    low, high = lesion["ffr_interval"]
    assert low < lesion["ffr"] < high
    assert lesion["measure_better"] == "resistance reserve"
    assert 0.0 < lesion["probability_at_or_below_threshold"] < 1.0
    assert "power of two" in refused(uncertainty_command, "--samples", "100")


def ask(*requests):
    lines = [one if isinstance(one, str) else json.dumps(one) for one in requests]
    answers = [json.loads(line) for line in answered(lines)]
    for answer in answers:
        jsonschema.validate(answer, load_schema("answer"))
    return answers


def test_lines_answer_as_the_commands_do():
    first, planned, again = ask(
        {"id": 1, "tree": TREE, "keep": "a", "patient": PATIENT},
        {"id": "two", "command": "plan", "use": "a", "patient": PATIENT, "stents": ["LAD_1=3 mm"]},
        {"use": "a", "patient": PATIENT | {"resistance_reserve": 4.0}},
    )
    assert (first["id"], planned["id"], again["id"]) == (1, "two", None)
    assert first["result"] == run(reduced)
    assert planned["result"] == run(plan_command, "--stent", "LAD_1=3 mm")
    assert again["result"]["branches"][1]["ffr"] < first["result"]["branches"][1]["ffr"]
    jsonschema.validate({"tree": TREE, "patient": PATIENT}, load_schema("request"))


def test_uncertainty_by_lines():
    pytest.importorskip("SALib")
    (answer,) = ask({"command": "uncertainty", "tree": TREE, "patient": PATIENT, "samples": 64})
    assert answer["result"] == run(uncertainty_command, "--samples", "64")


def test_a_bad_line_gets_a_sentence_and_the_next_is_answered():
    answers = ask(
        "{",
        "[]",
        "",
        {"id": 3, "tree": TREE, "patient": {"systolik": "128 mmHg"}},
        {"id": 4, "use": "nothing", "patient": PATIENT},
        {"id": 5},
        {"id": 6, "tree": TREE, "patient": {"systolic": "128 parsec"}},
        {"id": 7, "tree": TREE, "command": "plan", "patient": PATIENT, "stents": ["X"]},
        {"id": 8, "tree": TREE, "patient": PATIENT},
    )
    said = {answer["id"]: answer["error"] for answer in answers}
    assert [answer["code"] for answer in answers] == [2] * 7 + [0]
    assert "not valid JSON" in answers[0]["error"]
    assert "patient.systolik" in said[3]
    assert "no tree was kept as 'nothing'" in said[4]
    assert "needs a tree" in said[5]
    assert "parsec" in said[6]
    assert "no lesion 'X'" in said[7]
    assert answers[-1]["result"]["status"] == "converged"


def test_lines_know_what_the_options_know():
    assert set(QUANTITIES) <= set(Patient.model_fields)
