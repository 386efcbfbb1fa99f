"""A view's contours as JSON: there and back, the schema, and what a hand or another tool gets wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from hemo.errors import InputError
from hemo.qfr.cine import Contours
from hemo.qfr.contoursjson import (
    Landmark,
    SideBranchMark,
    ViewContours,
    ViewPoints,
    contours_to_json,
    parse_view,
    read_view,
    schema,
    write_contours,
    write_points,
)


def view() -> ViewContours:
    s = np.linspace(0.0, 1.5, 40)
    midline = 200.0 + 100.0 * np.column_stack([np.sin(s), -np.cos(s)])
    outwards = (midline - 200.0) / 100.0
    contours = Contours(7, midline, midline + 5.0 * outwards, midline - 4.0 * outwards, 0.21e-3)
    return ViewContours(contours, (SideBranchMark("D1", 12, 6.5),), (Landmark("ostium of D1", (210.5, 101.25)),))


def test_there_and_back_is_the_same_view(tmp_path: Path) -> None:
    write_contours(view(), tmp_path / "view.json")
    back = read_view(tmp_path / "view.json")
    for name in ("midline", "left", "right"):
        assert getattr(back.contours, name) == pytest.approx(getattr(view().contours, name), abs=6e-4)
    assert back.contours.frame == 7
    assert back.contours.calibration == pytest.approx(0.21e-3)
    assert (back.side_branches, back.landmarks) == (view().side_branches, view().landmarks)


def test_what_is_written_follows_the_schema_and_every_key_has_a_meaning() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(contours_to_json(view()), schema())
    mark, landmark = (schema()["properties"][key]["items"]["properties"] for key in ("side_branches", "landmarks"))
    for group in (schema()["properties"], mark, landmark):
        assert all("description" in value for key, value in group.items() if key != "schema_version")


def test_the_least_that_a_hand_must_write_is_read() -> None:
    data = {key: contours_to_json(view())[key] for key in ("frame", "midline_px", "left_px", "right_px")}
    found = parse_view(json.dumps(data), "x.json")
    assert found.contours.calibration is None
    assert found.side_branches == ()


Change = Callable[[dict[str, Any]], object]

WRONG: list[tuple[Change, str, bool]] = [  # whether the schema, too, refuses it
    (lambda d: d.update(midlin_px=[]), "'midlin_px' is unknown", True),
    (lambda d: d.pop("left_px"), "'left_px' is missing", True),
    (lambda d: d.update(schema_version=2), "schema_version 2 is not 1", True),
    (lambda d: d.update(frame=-1), "frame must be a whole number", True),
    (lambda d: d.update(frame=1.5), "frame must be a whole number", True),
    (lambda d: d.update(frame=True), "frame must be a whole number", True),
    (lambda d: d.update(calibration_mm_per_pixel=0), "calibration_mm_per_pixel must be above 0", True),
    (lambda d: d["midline_px"].pop(), "have 39, 40 and 40 points", False),
    (lambda d: [d.update({k: d[k][:9]}) for k in ("midline_px", "left_px", "right_px")], "at least 10", True),
    (lambda d: d["left_px"].__setitem__(3, [1.0, 2.0, 3.0]), "entry 3 is not", True),
    (lambda d: d["left_px"].__setitem__(3, ["1", 2]), r"left_px\[3\] must be a finite number", True),
    (lambda d: d["left_px"].__setitem__(3, [float("nan"), 2.0]), r"left_px\[3\] must be a finite number", False),
    (
        lambda d: d["midline_px"].__setitem__(5, d["midline_px"][4]),
        r"midline_px\[4\] and the next are one place",
        False,
    ),
    (lambda d: d["left_px"].__setitem__(20, d["right_px"][20]), "cross each other or the midline at point 20", False),
    (lambda d: d.update(left_px=d["right_px"], right_px=d["left_px"]), "exchanged", False),
    (lambda d: [d[k].reverse() for k in ("midline_px", "left_px", "right_px")], "exchanged", False),
    (lambda d: d["side_branches"][0].update(index=40), "beyond the midline", False),
    (lambda d: d["side_branches"][0].update(diameter_px=-1), "diameter_px must be above 0", True),
    (lambda d: d["side_branches"][0].update(size=1), "'size' is unknown", True),
    (lambda d: d["landmarks"][0].update(place_px=[1.0]), "place_px must be", True),
    (lambda d: d["landmarks"][0].pop("name"), "'name' is missing", True),
    (lambda d: d.update(landmarks={}), "landmarks must be a list", True),
]


@pytest.mark.parametrize(("change", "sentence", "by_schema"), WRONG)
def test_what_is_wrong_is_said_in_one_sentence_with_its_place(change: Change, sentence: str, by_schema: bool) -> None:
    data = json.loads(json.dumps(contours_to_json(view())))
    change(data)
    with pytest.raises(InputError, match=sentence) as error:
        parse_view(json.dumps(data), "view.json")
    assert str(error.value).startswith("view.json: ")
    assert "\n" not in str(error.value)
    if by_schema:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, schema())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "not valid JSON"), ("[]", "JSON object"), ('{"frame": 1, "frame": 2}', "'frame' stands twice")],
)
def test_text_that_is_no_view_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_view(text, "view.json")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        read_view(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        read_view(tmp_path / "binary.json")


def test_points_to_be_traced_are_read_as_they_were_written(tmp_path: Path) -> None:
    points = np.array([[210.25, 130.5], [260.0, 220.75]])
    drawn = ViewPoints(12, points, (Landmark("D1", (300.0, 150.0)),), (Landmark("fork 1", (240.5, 132.25)),), 0.2e-3)
    write_points(drawn, tmp_path / "view.json")
    jsonschema.validate(json.loads((tmp_path / "view.json").read_text()), schema())
    found = read_view(tmp_path / "view.json")
    assert isinstance(found, ViewPoints)
    assert found.points == pytest.approx(points)
    assert (found.frame, found.side_branches, found.landmarks) == (12, drawn.side_branches, drawn.landmarks)
    assert found.calibration == pytest.approx(0.2e-3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"frame": 1, "points_px": [[1, 2]]}', "has 1 points; at least 2 are needed"),
        ('{"points_px": [[1, 2], [3, 4]]}', "'frame' is missing"),
        ('{"frame": 1, "points_px": [[1, 2], [3, 4]], "left_px": []}', "'left_px' is unknown"),
        ('{"frame": 1, "points_px": [[1, 2], [3, NaN]]}', "finite number"),
        ('{"frame": 1, "points_px": [[1, 2], [3, 4]], "side_branches": [{"name": "D1"}]}', "'place_px' is missing"),
    ],
)
def test_points_that_are_wrong_are_named(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_view(text, "view.json")


def test_how_far_a_width_may_be_off_goes_there_and_back(tmp_path: Path) -> None:
    doubt = np.concatenate([np.zeros(20), np.linspace(0.0, 1.5, 20)])
    drawn = ViewContours(replace(view().contours, doubt=doubt))
    jsonschema.validate(contours_to_json(drawn), schema())
    write_contours(drawn, tmp_path / "view.json")
    back = read_view(tmp_path / "view.json")
    assert isinstance(back, ViewContours)
    assert back.contours.doubt == pytest.approx(doubt, abs=6e-4)
    data = contours_to_json(drawn)
    for wrong, sentence in (
        ([0.0] * 39, "a list of 40 numbers"),
        (3, "a list of 40 numbers"),
        ([-1.0] + [0.0] * 39, "must not be below 0"),
        ([float("nan")] * 40, "must be a finite number"),
    ):
        with pytest.raises(InputError, match=sentence):
            parse_view(json.dumps(data | {"doubt_px": wrong}), "x.json")
