"""A pullback's analysis: numbers known in closed form, FFR against the solved tree, and 200 damaged folders."""

from __future__ import annotations

import time

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.errors import InputError
from hemo.geometry.intravascular.contourfile import read_pullback
from hemo.geometry.intravascular.placing import Placement
from hemo.pullback import PullbackOptions, analyse
from hemo.pullbackcomparison import compare
from hemo.pullbackflow import FIXED_VELOCITY, FlowState
from hemo.pullbacksummary import summary
from hemo.units import ML_PER_MIN, MMHG
from tests.geometry.intravascular.synthetic import circle, folder, made, ring

HUNDRED = FlowState(93.0 * MMHG, 100.0 * ML_PER_MIN)


def narrowed(lost=0.5, count=81, spacing=0.5, radius=1.5, **more):
    place = spacing * np.arange(count)
    middle = place[-1] / 2.0
    shape = np.where(np.abs(place - middle) < 5.0, 0.5 * (1.0 + np.cos(np.pi * (place - middle) / 5.0)), 0.0)
    return made(radius * (1.0 - lost * shape), spacing, **more)


def test_a_straight_tube_loses_what_poiseuille_says():
    found = analyse(made([1.5] * 161), PullbackOptions(HUNDRED))
    blood, flow = Blood(), 100.0 * ML_PER_MIN
    resistance = 8.0 * blood.viscosity * 30e-3 / (np.pi * 1.5e-3**4)  # of the last 30 mm: the flow is developed
    along = found.ratio.flow.branches["vessel"].pressure
    assert along[200] - along[-1] == pytest.approx(resistance * flow, rel=0.01)
    assert found.ratio.flow.branches["vessel"].flow[0] == pytest.approx(flow, rel=1e-3)
    assert found.tree.lesions == ()
    assert found.ratio.opened is None


def test_a_lesion_is_measured_against_its_references():
    found = analyse(narrowed(), PullbackOptions(HUNDRED))
    assert found.sections.area.min() == pytest.approx(np.pi * 0.75e-3**2, rel=5e-3)
    assert found.pullback.place[found.narrowest] == pytest.approx(20e-3, abs=1e-6)
    assert found.area_stenosis == pytest.approx(0.75, abs=0.005)
    (lesion,) = found.tree.lesions
    assert lesion.diameter_stenosis == pytest.approx(0.5, abs=0.01)
    assert found.ratio.flow.ffr("vessel")[-1] < found.ratio.opened.ffr("vessel")[-1] < 1.0


def test_the_fixed_velocity_times_the_healthy_area_is_the_flow():
    found = analyse(narrowed(), PullbackOptions(FlowState(93.0 * MMHG)))
    flow = found.ratio.flow.branches["vessel"].flow[0]
    assert flow == pytest.approx(FIXED_VELOCITY * np.pi * 1.5e-3**2, rel=0.02)


def test_a_side_branch_takes_its_share_and_more_before_a_lesion():
    sides = ((5e-3, 2.0e-3),)
    healthy = analyse(
        made([1.5] * 81), PullbackOptions(FlowState(93 * MMHG, HUNDRED.flow, leakage=False), side_branches=sides)
    )
    tight = analyse(
        narrowed(0.6), PullbackOptions(FlowState(93 * MMHG, HUNDRED.flow, leakage=False), side_branches=sides)
    )

    def share(one):
        flow = one.ratio.flow.branches["vessel"].flow
        return 1.0 - flow[-1] / flow[0]

    assert share(healthy) == pytest.approx(2.0**2.39 / (2.0**2.39 + 3.0**2.39), abs=0.01)
    assert share(tight) > share(healthy) + 0.01


def test_expansion_is_within_a_point_and_names_its_references():
    stent = {n: [("stent", circle(1.2 if n == 40 else 1.35))] for n in range(30, 52)}
    found = analyse(made([1.5] * 30 + [1.4] * 21 + [1.5] * 30, extra=stent), PullbackOptions(HUNDRED))
    assert 100.0 * found.expansion == pytest.approx(100.0 * 1.2**2 / 1.5**2, abs=1.0)
    row = summary([found])["pullbacks"][0]["stent"]
    assert found.references == found.stent_references  # no stented frame is a reference of the minimal lumen
    assert row["minimal_area_frame"] == 40
    assert row["expansion_references"] == 2
    assert row["greatest_malapposition_mm"] == pytest.approx(0.2, abs=0.01)


def test_expansion_without_a_reference_is_not_claimed():
    stent = {n: [("stent", circle(1.3))] for n in range(1, 41)}
    found = analyse(made([1.4] * 40, extra=stent), PullbackOptions(HUNDRED))
    assert found.expansion is None
    assert any("stent: there is no proximal reference" in text for text in found.warnings)
    assert summary([analyse(narrowed(), PullbackOptions(HUNDRED))])["pullbacks"][0]["stent"] is None


def test_a_flow_that_cannot_pass_is_refused():
    with pytest.raises(InputError, match="cannot pass this lumen"):
        analyse(narrowed(0.7), PullbackOptions(FlowState(93.0 * MMHG, 400.0 * ML_PER_MIN)))
    with pytest.raises(InputError, match="not both"):
        FlowState(None, 1e-6, 0.3)
    with pytest.raises(InputError, match=r"outside 0\.05 to 1\.5"):
        FlowState(None, None, 35.0)


def test_a_bent_centreline_costs_pressure_and_a_short_one_is_refused():
    turn = np.linspace(0.0, np.pi, 200)
    bend = 25e-3 * np.stack([np.cos(turn), np.sin(turn), 0.0 * turn], axis=1)
    straight = analyse(made([1.5] * 81), PullbackOptions(HUNDRED))
    bent = analyse(made([1.5] * 81), PullbackOptions(HUNDRED, placement=Placement(bend, 10e-3)))
    assert bent.ratio.flow.ffr("vessel")[-1] < straight.ratio.flow.ffr("vessel")[-1]
    assert np.linalg.norm(bent.tree.root.points[0]) == pytest.approx(25e-3, rel=1e-3)
    assert any(row.name == "course" for row in straight.assumptions)
    assert not any(row.name == "course" for row in bent.assumptions)
    with pytest.raises(InputError, match="centreline that is"):
        analyse(made([1.5] * 81), PullbackOptions(HUNDRED, placement=Placement(bend, 60e-3)))


def test_pre_against_post_is_lumen_gain():
    before, after = narrowed(0.5, ostium=81, name="pre"), narrowed(0.05, ostium=81, name="post")
    found = compare(analyse(before, PullbackOptions(HUNDRED)), analyse(after, PullbackOptions(HUNDRED)))
    assert found.registration.by == "ostium marks"
    assert found.minimal_gain == pytest.approx(np.pi * 1.5e-3**2 * (0.95**2 - 0.5**2), rel=0.01)
    assert found.change.max() == pytest.approx(0.95**2 / 0.5**2 - 1.0, rel=0.02)


def test_four_hundred_frames_take_a_second():
    pullback = narrowed(0.5, 400, 0.2, extra={n: [("eem", circle(1.9))] for n in range(1, 401)})
    best = np.inf
    for _ in range(3):
        clock = time.process_time()
        summary([analyse(pullback, PullbackOptions(HUNDRED))])
        best = min(best, time.process_time() - clock)
    assert best < 1.0  # CPU time


# ---- damaged folders ----

LUMEN, EEM, CALCIUM = (f"{name}diastolic_contours.csv" for name in ("", "eem_", "calcium_"))


def lines_of(path):
    return path.read_text().splitlines()


def put(path, lines):
    path.write_text("\n".join(lines) + "\n")


def blocks(lines):
    found = {}
    for line in lines:
        found.setdefault(line.split("\t")[0], []).append(line)
    return found


def joined(found):
    return [line for block in found.values() for line in block]


def some(rng, path):
    """A file, its blocks, and the number of one of them."""
    file = path / rng.choice([LUMEN, EEM, CALCIUM])
    found = blocks(lines_of(file))
    return file, found, str(rng.choice(list(found)))


def moved(block, function):
    rows = [line.split("\t") for line in block]
    points = function(np.array([[float(row[1]), float(row[2])] for row in rows]))
    return [
        "\t".join([row[0], repr(float(x)), repr(float(y)), row[3]]) for row, (x, y) in zip(rows, points, strict=True)
    ]


def token(rng, path, text):
    file = path / rng.choice([LUMEN, EEM, CALCIUM])
    lines = lines_of(file)
    number = rng.integers(len(lines))
    cells = lines[number].split("\t")
    cells[rng.integers(4)] = text
    lines[number] = "\t".join(cells)
    put(file, lines)


def truncate(rng, path):
    file = path / rng.choice([LUMEN, EEM, CALCIUM])
    data = file.read_bytes()
    file.write_bytes(data[: rng.integers(len(data))])


def lose_a_cell(rng, path):
    file, found, key = some(rng, path)
    found[key][3] = "\t".join(found[key][3].split("\t")[:3])
    put(file, joined(found))


def swap_frames(rng, path):
    file, found, _ = some(rng, path)
    keys = list(found)
    i, j = rng.choice(len(keys), 2, replace=False)
    keys[i], keys[j] = keys[j], keys[i]
    put(file, [line for key in keys for line in found[key]])


def repeat_frame(rng, path):
    file, found, key = some(rng, path)
    put(file, joined(found) + found[key])


def scale_frame(rng, path):
    file, found, key = some(rng, path)
    factor = float(rng.choice([1000.0, 10.0, 3.0, 0.3, 0.1, 0.001]))
    found[key] = moved(found[key], lambda p: factor * p)
    put(file, joined(found))


def scale_file(rng, path):
    file, found, _ = some(rng, path)
    factor = float(rng.choice([1000.0, 10.0, 0.1, 0.001]))
    put(file, [line for block in found.values() for line in moved(block, lambda p: factor * p)])


def lose_a_sector(rng, path):
    file, found, key = some(rng, path)
    start = int(rng.integers(len(found[key]) // 2))
    del found[key][start : start + len(found[key]) // 3]
    put(file, joined(found))


def spike(rng, path):
    file, found, key = some(rng, path)

    def pulled(points):
        points = points.copy()
        points[rng.integers(1, len(points) - 1)] += rng.choice([-3.0, 3.0], 2)
        return points

    found[key] = moved(found[key], pulled)
    put(file, joined(found))


def shuffle_points(rng, path):
    file, found, key = some(rng, path)
    found[key] = [found[key][i] for i in rng.permutation(len(found[key]))]
    put(file, joined(found))


def displace(rng, path):
    file, found, key = some(rng, path)
    found[key] = moved(found[key], lambda p: p + np.array([2.5, -2.5]))
    put(file, joined(found))


def wrong_z(rng, path):
    file, found, key = some(rng, path)
    z = f"{rng.uniform(-20.0, 30.0):.3f}"
    found[key] = ["\t".join([*line.split("\t")[:3], z]) for line in found[key]]
    put(file, joined(found))


def lose_a_lumen(rng, path):
    found = blocks(lines_of(path / LUMEN))
    del found[str(rng.choice(list(found)))]
    put(path / LUMEN, joined(found))


def lose_frames_everywhere(rng, path):
    start = int(rng.integers(2, 10))
    gone = {str(number) for number in range(start, start + int(rng.integers(1, 5)))}
    for file in (LUMEN, EEM, CALCIUM):
        put(path / file, [line for line in lines_of(path / file) if line.split("\t")[0] not in gone])


def lose_eems(rng, path):
    found = blocks(lines_of(path / EEM))
    for key in list(found)[5:9]:
        del found[key]
    put(path / EEM, joined(found))


def garbage(rng, path):
    (path / rng.choice([LUMEN, EEM, CALCIUM])).write_bytes(rng.bytes(int(rng.integers(0, 4000))))


def other_text(rng, path):
    file = path / rng.choice([LUMEN, EEM, CALCIUM])
    text = file.read_text()
    kinds = [
        text.replace(".", ","),
        "time,a,b,c\n" + text,
        "<html>" + text,
        "\n".join(line + "\t1" for line in text.splitlines()),
        "\n".join("\t".join(np.roll(line.split("\t"), 1)) for line in text.splitlines()),
        "\n".join("\t".join([line.split("\t")[0] + ".5", *line.split("\t")[1:]]) for line in text.splitlines()),
        "",
    ]
    file.write_text(str(rng.choice(np.array(kinds, dtype=object))))


def utf16(rng, path):
    file = path / rng.choice([LUMEN, EEM, CALCIUM])
    file.write_text(file.read_text(), encoding="utf-16")


def exchange_files(rng, path):
    a, b = (path / name for name in rng.choice([LUMEN, EEM, CALCIUM], 2, replace=False))
    first, second = a.read_text(), b.read_text()
    a.write_text(second)
    b.write_text(first)


def shift_numbers(rng, path):
    file, found, _ = some(rng, path)
    put(file, [f"{int(k) + 3}\t" + line.split("\t", 1)[1] for k, block in found.items() for line in block])


def backwards(_rng, path):
    for file in (LUMEN, EEM, CALCIUM):
        put(path / file, lines_of(path / file)[::-1])


def mark(rng, path):
    row = str(rng.choice(np.array(["8\t1\t2\t3.5\n", "x\t1\t2\t3\n", "900\t1\t2\t700.0\n", "1\t2\n"], dtype=object)))
    (path / "diastolic_reference_points.csv").write_text(row)


DAMAGES = [
    *(lambda rng, path, text=text: token(rng, path, text) for text in ("nan", "inf", "abc", "", "1e99", "-7.25")),
    truncate, truncate, lose_a_cell, swap_frames, repeat_frame, scale_frame, scale_frame, scale_file, lose_a_sector,
    spike,
    shuffle_points, displace, wrong_z, lose_a_lumen, lose_frames_everywhere, lose_eems, garbage, other_text, other_text,
    utf16, exchange_files, shift_numbers, backwards, mark,
]  # fmt: skip


def told(path):
    """What a reader would publish."""
    found = analyse(read_pullback(path), PullbackOptions(HUNDRED))
    row = summary([found], warnings=found.warnings)
    one = row["pullbacks"][0]
    calcium = one["calcium"][0] if one["calcium"] else {"greatest_arc_deg": 0.0, "length_mm": 0.0}
    numbers = np.array(
        [
            one["lumen"]["minimal_area_mm2"],
            one["lumen"]["percent_area_stenosis"],
            (one["plaque"] or {"greatest_burden_percent": 0.0})["greatest_burden_percent"],
            calcium["greatest_arc_deg"],
            calcium["length_mm"],
            100.0 * one["ffr"]["distal"],
        ]
    )
    return numbers, set(row["warnings"])


@pytest.mark.parametrize("seed", range(200))
def test_damaged_folders_give_a_sentence_or_the_right_numbers(tmp_path_factory, seed, whole):
    rng = np.random.default_rng(seed)
    damage = DAMAGES[seed % len(DAMAGES)]
    path = folder(tmp_path_factory.mktemp("damaged") / "ivus")
    damage(rng, path)
    numbers, warnings = whole
    try:
        found, said = told(path)
    except InputError as error:
        assert str(error).strip().endswith((".", ")"))
        assert len(str(error)) < 400
        return
    if not said - warnings:
        apart = np.abs(found - numbers)
        assert np.all(apart <= [0.03, 1.0, 1.0, 3.0, 0.01, 0.3]), (damage.__name__, apart)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    numbers, warnings = told(folder(tmp_path_factory.mktemp("whole") / "ivus"))
    assert numbers[0] == pytest.approx(np.pi * (1.5 - 0.6 * np.exp(-1 / 36)) ** 2, rel=5e-3)
    assert numbers[3] == pytest.approx(150.0, abs=2.0)
    return numbers, warnings


def test_calcium_in_a_ring_piece_is_read_from_a_folder(tmp_path):
    found = analyse(read_pullback(folder(tmp_path / "ivus")), PullbackOptions(HUNDRED))
    (deposit,) = found.deposits
    assert np.degrees(deposit.arc) == pytest.approx(150.0, abs=2.0)
    assert deposit.thickness == pytest.approx(0.4e-3, abs=0.01e-3)
    assert deposit.length == pytest.approx(2.5e-3)
    assert deposit.score == 0
    assert ring(1.0, 1.2, 10.0).shape[1] == 2
