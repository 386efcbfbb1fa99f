"""QFR from contours that are known exactly: the vessel, the flow by mode, the ratio and its interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.flowratio import Drive, flow_ratio
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.qfr.camera import Camera
from hemo.qfr.cine import Cine, Contours
from hemo.qfr.flowmodes import FlowOptions
from hemo.qfr.marked import SideMark
from hemo.qfr.viewfile import MarkedView
from hemo.qfrstage import QfrOptions, analyse, carried_along, flow_of_transit
from hemo.qfrsummary import COLUMNS, TimePoint, summary, write_study_table
from hemo.tree import Branch, SideBranch, VesselTree
from hemo.units import MMHG

PRESSURE = 95.0 * MMHG
CAMERA = Camera(0.0, 0.0, 1.0, 0.75, (0.2e-3, 0.2e-3), (512, 512))


def vessel(severity: float = 0.55) -> VesselTree:
    """50 mm along the isocentre's plane, to the feet, 3 mm wide with a lesion of 12 mm."""
    arc = np.linspace(0.0, 0.05, 201)
    drawn_in = np.where(abs(arc - 0.022) < 6e-3, 0.5 * (1.0 + np.cos(2 * np.pi * (arc - 0.022) / 0.012)), 0.0)
    radius = 1.5e-3 * (1.0 - severity * drawn_in)
    points = np.column_stack([np.zeros((len(arc), 2)), 0.025 - arc])
    return VesselTree("vessel", (Branch("LAD", points, radius, np.pi * radius**2, np.full(len(arc), 1.5e-3)),))


def view(severity: float = 0.55, sides: tuple[SideMark, ...] = ()) -> MarkedView:
    branch = vessel(severity).root
    midline = CAMERA.project(branch.points)
    half = (branch.radius / CAMERA.pixel_at(branch.points))[:, None] * np.array([1.0, 0.0])
    # Looking distally is looking down the image: the left hand is at greater columns.
    contours = Contours(0, midline, midline + half, midline - half)
    cine = Cine(np.zeros((2, 512, 512)), np.array([0.0, 1 / 15]), CAMERA)
    return MarkedView(cine, contours, sides)


def test_one_view_of_a_vessel_across_the_beam_gives_its_ratio() -> None:
    options = QfrOptions("LAD", PRESSURE, hyperaemia=True, velocity=0.30)
    found = analyse([view()], options)
    truth = with_reference_and_lesions(vessel())
    entering = flow_of_transit(truth, 0.30, options)
    expected = flow_ratio(truth, Drive(entering, PRESSURE))
    assert found.chosen == "measured"
    assert found.best.inflow == pytest.approx(entering, rel=0.02)
    assert found.best.ratio.vessel == pytest.approx(expected.vessel, abs=0.006)
    (lesion,) = found.vessel.tree.lesions
    assert lesion.diameter_stenosis == pytest.approx(0.55, abs=0.015)


def test_the_transit_of_the_flow_is_the_velocity_that_was_timed() -> None:
    tree = with_reference_and_lesions(vessel(0.0))
    entering = flow_of_transit(tree, 0.2, QfrOptions())
    assert entering == pytest.approx(0.2 * np.pi * 1.5e-3**2, rel=1e-3)  # nothing leaves a vessel that does not taper


def test_the_interval_holds_lumen_flow_and_model() -> None:
    options = QfrOptions("LAD", PRESSURE, hyperaemia=True, velocity=0.3)
    found = analyse([view()], options).best
    wider = analyse([view()], replace(options, lumen_sd=2.0 * options.lumen_sd)).best
    assert found.budget["flow"] == 0.0  # a velocity that is given has no error of its own
    assert wider.budget["lumen"] == pytest.approx(2.0 * found.budget["lumen"], rel=0.35)
    width = float(np.hypot(found.budget["lumen"], found.budget["model"]))
    assert found.interval[0] == pytest.approx(found.ratio.vessel - width, abs=1e-9)
    fixed = analyse([view()], options).modes["fixed"]
    assert fixed.budget["flow"] > 0.02  # people's velocities scatter about the fixed one


def test_modes_are_chosen_by_what_was_measured() -> None:
    fixed = analyse([view()], QfrOptions("LAD", PRESSURE, timed=False))
    contrast = analyse([view()], QfrOptions("LAD", PRESSURE, velocity=0.2))
    assert fixed.chosen == "fixed"
    assert set(contrast.modes) == {"fixed", "contrast"}
    assert contrast.best.velocity.velocity == pytest.approx(0.10 + 1.55 * 0.2 - 0.93 * 0.2**2)
    assert any(one.name == "contrast_coefficients" and "not confirmed" in one.source for one in contrast.assumptions)


def test_a_side_branch_that_is_marked_takes_flow() -> None:
    mark = SideMark("D1", CAMERA.project(vessel().root.points[120:121])[0], 2.0e-3 / (0.2e-3 * 0.75))
    options = QfrOptions("LAD", PRESSURE, timed=False)
    without, with_it = analyse([view()], options), analyse([view(sides=(mark,))], options)
    (side,) = with_it.vessel.tree.side_branches
    assert side.diameter == pytest.approx(2.0e-3, rel=0.02)
    along = with_it.best.ratio.flow.branches["LAD"].flow
    assert along[-1] < 0.8 * along[0]
    assert without.best.ratio.flow.branches["LAD"].flow[-1] == pytest.approx(without.best.inflow, rel=1e-3)


def test_a_side_branch_as_wide_as_the_vessel_is_left_out_with_a_warning(caplog) -> None:
    mark = SideMark("D1", CAMERA.project(vessel().root.points[120:121])[0], 3.2e-3 / (0.2e-3 * 0.75))
    found = analyse([view(sides=(mark,))], QfrOptions("LAD", PRESSURE, timed=False))
    assert found.vessel.tree.side_branches == ()
    assert "it is left out and takes no flow" in caplog.text


def test_a_stepped_reference_is_even_between_side_branches() -> None:
    mark = SideMark("D1", CAMERA.project(vessel().root.points[120:121])[0], 2.0e-3 / (0.2e-3 * 0.75))
    options = QfrOptions("LAD", PRESSURE, timed=False, reference="stepped")
    healthy = analyse([view(sides=(mark,))], options).vessel.branch.reference_radius
    assert np.unique(np.round(healthy, 9)).size == 2
    assert (healthy[0] ** 2.39 - healthy[-1] ** 2.39) == pytest.approx(1.0e-3**2.39, rel=0.05)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="3 views are given"):
        analyse([view()] * 3)
    with pytest.raises(InputError, match="cannot pass"):
        analyse([view(0.85)], QfrOptions("LAD", PRESSURE, timed=False, flow=FlowOptions(fixed=0.6)))


def test_the_summary_and_the_study_table_hold_each_time_point(tmp_path) -> None:
    options = QfrOptions("LAD", PRESSURE, timed=False)
    points = [TimePoint(label, (view(s),), analyse([view(s)], options)) for label, s in (("pre", 0.55), ("post", 0.2))]
    told = summary(points, ["a warning"], {"pre 1": "0" * 64})
    pre, post = told["time_points"]
    assert pre["qfr"] < post["qfr"]
    assert told["change"][0]["qfr"] == pytest.approx(post["qfr"] - pre["qfr"])
    assert told["change"][0]["predicted_by_opening_all"] == pytest.approx(pre["residual"][-1]["qfr"])
    write_study_table(tmp_path / "time_points.csv", told["time_points"])
    rows = (tmp_path / "time_points.csv").read_text().splitlines()
    assert rows[0].split(",") == list(COLUMNS)
    assert [row.split(",")[0] for row in rows[1:]] == ["pre", "post"]
    assert float(rows[1].split(",")[2]) == pytest.approx(pre["qfr"], abs=1e-4)


def test_contrast_is_carried_by_volume_and_faster_before_flow_has_left() -> None:
    plain = with_reference_and_lesions(vessel(0.0))
    carried = carried_along(plain, QfrOptions())
    assert carried == pytest.approx(plain.root.arc, abs=1e-9)  # even calibre, no side branch: arc length
    narrowed = with_reference_and_lesions(vessel(0.55))
    area, arc = narrowed.root.area, narrowed.root.arc
    volume = np.concatenate([[0.0], np.cumsum(0.5 * (area[1:] + area[:-1]) * np.diff(arc))])
    assert carried_along(narrowed, QfrOptions()) == pytest.approx(arc[-1] * volume / volume[-1], rel=1e-3)
    branching = replace(plain, side_branches=(SideBranch("LAD", 0.025, 2.0e-3),))
    halves = np.interp([0.025, 0.05], plain.root.arc, carried_along(branching, QfrOptions()))
    assert halves[0] < 0.45 * halves[1]  # behind it contrast is slower, which counts as a longer way
    tight = with_reference_and_lesions(vessel(0.95))
    assert np.all(np.diff(carried_along(tight, QfrOptions())) > 0.0)
