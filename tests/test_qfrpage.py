"""The report page of ``hemo qfr``: numbers as told, pictures of what was drawn, nothing from outside."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemo.qfr.camera import Camera
from hemo.qfr.cine import Cine
from hemo.qfr.density import DensityMap
from hemo.qfr.frames import Velocity
from hemo.qfr.front import FrontFit
from hemo.qfr.marked import SideMark
from hemo.qfr.viewfile import MarkedView
from hemo.qfrpage import write_page
from hemo.qfrpictures import angles, density_figure, frame_picture
from hemo.qfrstage import QfrOptions, QfrResult, analyse
from tests.qfr.projector import Truth, drawn, silhouette

Point = tuple[str, QfrResult, list[MarkedView]]


@pytest.fixture(scope="module")
def truth() -> tuple[Truth, tuple[Camera, Camera]]:
    made, cameras, _, _ = drawn(3)
    return made, cameras


@pytest.fixture(scope="module")
def views(truth: tuple[Truth, tuple[Camera, Camera]]) -> list[MarkedView]:
    """Two views of a random vessel with a lesion, a side branch and a landmark, on frames of noise."""
    made, cameras = truth
    rng = np.random.default_rng(1)
    found = []
    for camera in cameras:
        cine = Cine(rng.normal(1000.0, 20.0, (3, *camera.shape)), np.arange(3) / 15.0, camera)
        contours = replace(silhouette(made, camera, 2e-3, 54e-3), frame=1)
        place = camera.project(made.points[200:201])[0]
        found.append(MarkedView(cine, contours, (SideMark("D1 <b>", place, 8.0),), {"fork": place}))
    return found


@pytest.fixture(scope="module")
def result(views: list[MarkedView]) -> QfrResult:
    """By a velocity that was given; the first view's contrast a front that runs at 0.3 m/s, made up."""
    found = analyse(views, QfrOptions("LAD", velocity=0.2))
    arc, times = np.linspace(2e-3, 50e-3, 16), np.arange(40) / 15.0
    density = np.clip((times[:, None] - 0.4 - arc / 0.3) / 0.2, 0.0, 1.0)
    fit = FrontFit(0.3, 0.05, 2.0, times, np.full(40, 0.3), density, 1.0)
    seen = DensityMap(arc, times, density, 0.01, 5, np.zeros_like(density), 50e-3)
    return replace(found, timed=(Velocity(0.3, 0.02, 0.01, 0.01, "front", (), seen, fit), "the cine is <too> slow"))


def told_of(labels: list[str], result: QfrResult) -> dict[str, Any]:
    """What the command would print, every number one that nothing else on the page holds."""
    (lesion,) = result.vessel.tree.lesions
    mode = {"interval": [0.6543, 0.8768], "budget": {"flow": 0.0311, "lumen": 0.0722, "model": 0.0123}}
    row = {
        "id": lesion.id,
        **{"start_mm": 21.31, "minimum_mm": 27.71, "end_mm": 33.91, "mla_mm2": 1.77, "reference_area_mm2": 7.93},
        **{"percent_diameter_stenosis": 57.0, "percent_area_stenosis": 81.0, "qfr_proximal": 0.9871},
        **{"qfr_distal": 0.7652, "delta_qfr": 0.2219, "residual_qfr": 0.9543},
    }
    view = {"primary_angle_deg": 29.8, "secondary_angle_deg": -20.3, "frame": 1, "frame_rate": 15.03}
    point = {
        "vessel": "LAD",
        "qfr": 0.7512,
        "interval": [0.6543, 0.8768],
        "mode": "contrast",
        "modes": {
            "contrast": {"qfr": 0.7512, "velocity_m_s": 0.3719, "inflow_ml_min": 173.0} | mode,
            "fixed": {"qfr": 0.7688, "velocity_m_s": 0.3501, "inflow_ml_min": 164.0} | mode,
        },
        "lesions": [row],
        "residual": [{"opened": [lesion.id], "qfr": 0.9543}],
        "views": [
            view | {"velocity_m_s": 0.3011, "velocity_sd_m_s": 0.0213, "untimed": None},
            view | {"velocity_m_s": None, "velocity_sd_m_s": None, "untimed": "the cine is <too> slow"},
        ],
        "reconstruction": {
            "angle_deg": 61.0,
            "offset_mm": [1.91, -2.31, 0.51],
            "residual_px": 0.17,
            "length_mm": 52.61,
        },
        "gate": {"threshold": 0.80, "above": False},
        "assumptions": [{"name": "aortic_pressure", "value": 12910.0, "unit": "Pa", "source": "option <x>"}],
    }
    points = [{"label": label} | point for label in labels]
    return {"status": "converged", "warnings": ["look at <lesion> 1"], "time_points": points}


def page_of(folder: Path, told: dict[str, Any], points: list[Point]) -> str:
    path = folder / "report.html"
    write_page(path, told, points, folder / "figures")
    return path.read_text(encoding="utf-8")


def words(page: str) -> str:
    """The page as it is read, without its drawings and what is not text."""
    page = re.sub(r"<(svg|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


@pytest.fixture(scope="module")
def page(result: QfrResult, views: list[MarkedView], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("page")
    return page_of(folder, told_of(["views"], result), [("views", result, views)]), folder


def test_every_number_told_is_in_the_tables(page: tuple[str, Path]) -> None:
    text = words(page[0])
    for line in (
        "QFR 0.75 95 % interval 0.65 to 0.88 flow by contrast flow velocity, converted to hyperaemia",
        "Gate QFR &gt; 0.80: not above the interval includes 0.80",
        "21.3 to 33.9 27.7 1.77 7.93 57 81 0.987 0.765 0.222 0.954",
        "(reported) 0.751 0.654 to 0.877 0.372 173 0.031 0.072",
        "fixed hyperaemic velocity 0.769 0.654 to 0.877 0.350 164 0.031 0.072",
        "View 1: LAO 30 CAU 20 , frame 1, 15.0 frames/s",
        "1 LAO 30 CAU 20 1 15.0 0.301 0.021",
        "2 LAO 30 CAU 20 1 15.0 - - the cine is &lt;too&gt; slow",
        "52.6 61 1.9, -2.3, 0.5 0.17",
        "aortic_pressure 12910 Pa option &lt;x&gt;",
        "look at &lt;lesion&gt; 1",
        "For research, not for diagnosis.",
        "frames may carry text that was burned into them",
    ):
        assert line in text, line
    assert "Comparison" not in text


def test_nothing_comes_from_outside_and_drawings_are_kept(page: tuple[str, Path]) -> None:
    html, folder = page
    links = re.findall(r'(?:href|src)\s*=\s*"([^"]{0,30})', html) + re.findall(r"url\(\s*([^)]{0,30})", html)
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert not re.search(r"<(script|link|iframe|object)\b|@import", html)
    assert {file.name for file in (folder / "figures").iterdir()} == {
        *("views_vessel.svg", "views_pullback.svg", "views_contrast.svg")
    }
    for file in (folder / "figures").iterdir():
        drawing = file.read_text(encoding="utf-8")
        assert drawing[drawing.index("<svg") :] in html


def test_several_time_points_are_compared_first_and_labels_are_escaped(
    result: QfrResult, views: list[MarkedView], tmp_path: Path
) -> None:
    told = told_of(["<b>pre</b>", "1 $year$"], result)
    told["time_points"][1] |= {"qfr": 0.8931, "mode": "fixed", "gate": {"threshold": 0.80, "above": True}}
    later = replace(result, chosen="fixed", timed=("not asked for", "not asked for"))
    html = page_of(tmp_path, told, [("<b>pre</b>", result, views), ("1 $year$", later, views)])
    text = words(html)
    assert "&lt;b&gt;pre&lt;/b&gt; 0.751 0.65 to 0.88 - contrast 0.954 1 1.77 57 no" in text
    assert "1 $year$ 0.893 0.65 to 0.88 +0.142 fixed 0.954 1 1.77 57 yes" in text
    assert "by different flow modes" in text
    assert text.index("Comparison") < text.index("Angiograms")
    assert "No velocity was timed on the cines." in text
    assert "<b>pre" not in html
    assert "&lt;b&gt;pre&lt;/b&gt; (contrast flow)" in html
    assert "D1 <b>" not in html
    names = {file.name for file in (tmp_path / "figures").iterdir()}
    assert names == {
        *("comparison.svg", "1__b_pre_b__vessel.svg", "1__b_pre_b__pullback.svg", "1__b_pre_b__contrast.svg"),
        *("2_1_year__vessel.svg", "2_1_year__pullback.svg"),
    }


def test_one_view_without_lesions_gives_a_page(views: list[MarkedView], tmp_path: Path) -> None:
    found = analyse(views[:1], QfrOptions("LAD", timed=False))
    told = told_of(["view"], found)
    (point,) = told["time_points"]
    point["views"] = point["views"][:1]
    point["lesions"], point["residual"], point["qfr"] = [], [], 0.8041
    point["gate"]["above"] = True
    point["reconstruction"] |= {"angle_deg": None, "offset_mm": None, "residual_px": None}
    bare = replace(found, vessel=replace(found.vessel, tree=found.vessel.tree.with_lesions(())))
    told["status"] = "stalled"
    text = words(page_of(tmp_path, told, [("view", bare, views[:1])]))
    assert "No lesion was found." in text
    assert "No QFR is claimed" in text
    assert "QFR 0.804" in text  # 0.80 would read as if it were not above 0.80
    assert "52.6 - - -" in text
    assert "round and flat" in text


@pytest.mark.parametrize(
    ("primary", "secondary", "written"),
    [
        (30.2, 19.9, "LAO 30 CRA 20"),
        (-30.0, -25.0, "RAO 30 CAU 25"),
        (0.3, 40.0, "AP CRA 40"),
        (45.0, -0.4, "LAO 45"),
        (0.0, 0.0, "AP"),
    ],
)
def test_angles_are_written_as_a_cardiologist_does(primary: float, secondary: float, written: str) -> None:
    assert angles(primary, secondary) == written


def test_the_frame_shows_contours_and_the_lesion_where_it_is(
    truth: tuple[Truth, tuple[Camera, Camera]], views: list[MarkedView], result: QfrResult
) -> None:
    from matplotlib.image import imread

    made, cameras = truth
    for number, (view, camera) in enumerate(zip(views, cameras, strict=True)):
        picture = imread(io.BytesIO(base64.b64decode(frame_picture(view, result, number))))[:, :, :3]
        edges = np.vstack([view.contours.left, view.contours.right])
        rim = 0.07 * 512
        side = float(np.ptp(edges, axis=0).max()) + 2.0 * rim
        low = 0.5 * (edges.min(axis=0) + edges.max(axis=0) - side)
        assert low.min() > 0.0
        assert (low + side).max() < 511.0

        def at(points: np.ndarray, low: np.ndarray = low, side: float = side, size: int = len(picture)) -> np.ndarray:
            return (points - low) / side * size

        red = np.argwhere((picture[:, :, 0] > 0.95) & (abs(picture[:, :, 1] - 0.302) < 0.08))[:, ::-1]
        narrowest = camera.project(made.points[[int(np.argmin(made.area))]])[0]
        assert np.linalg.norm(red - at(narrowest), axis=1).min() < 10.0
        lesion = result.vessel.tree.lesions[0]
        away = np.linalg.norm(red[:, None] - at(edges)[None], axis=2).min(axis=0)
        expected = lesion.length / result.vessel.branch.length
        assert np.mean(away < 3.0) == pytest.approx(expected, abs=0.1)
        yellow = np.argwhere((picture[:, :, 0] > 0.95) & (picture[:, :, 1] > 0.75) & (picture[:, :, 2] < 0.45))[:, ::-1]
        assert len(yellow) > 200
        assert np.linalg.norm(yellow[::7, None] - at(edges)[None], axis=2).min(axis=1).max() < 6.0


def test_the_fitted_front_is_drawn_where_contrast_reaches_half_its_plateau(result: QfrResult) -> None:
    assert density_figure(("not asked for", "too slow")) is None
    drawing = density_figure(result.timed)
    assert drawing is not None
    assert "view 1: 0.30 m/s, SD 0.02" in drawing
    assert "view 2" not in drawing
    paths = re.findall(r'd="([^"]*)"[^>]*stroke: #d0021b', drawing)
    front, again = (np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path), dtype=float) for path in paths)
    assert len(front) == len(again)
    (panel,) = re.findall(r'<g id="axes_1">\s*<g id="patch_2">\s*<path d="([^"]*)"', drawing)
    across, down = np.ptp(np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", panel), dtype=float), axis=0)
    seconds, metres = 37 / 15, 16 * 48e-3 / 15  # frames 3 to 39, sixteen places, of which the panel shows all
    speed = np.diff(-front[:, 1]) / down * metres / (np.diff(front[:, 0]) / across * seconds)
    assert speed == pytest.approx(0.3, rel=0.02)
