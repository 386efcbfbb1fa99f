import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.tree import Branch, Lesion, VesselTree


def straight(name="a", n=5, parent=None, index=None, outlet=True):
    z = np.linspace(0.0, 0.04, n)
    points = np.column_stack([np.zeros(n), np.zeros(n), z])
    radius = np.full(n, 1.5e-3)
    return Branch(name, points, radius, np.pi * radius**2, radius, parent, index, outlet)


def test_arc_length_tangent_and_diameter_of_a_quarter_circle():
    angle = np.linspace(0.0, np.pi / 2, 400)
    points = 0.03 * np.column_stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)])
    radius = np.full(400, 1e-3)
    arc = Branch("arc", points, radius, np.pi * radius**2, radius)
    assert arc.length == pytest.approx(0.03 * np.pi / 2, rel=1e-5)
    exact = np.column_stack([-np.sin(angle), np.cos(angle), np.zeros_like(angle)])
    assert np.abs(arc.tangent - exact).max() < 2e-5
    assert arc.diameter == pytest.approx(2e-3)


def test_lesion_stenosis_by_area_and_diameter():
    lesion = Lesion("x", "a", 0.01, 0.015, 0.02, 1.0, 4.0, 0.1, 0.1)
    assert lesion.area_stenosis == pytest.approx(0.75)
    assert lesion.diameter_stenosis == pytest.approx(0.5)
    assert lesion.length == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ((), "no branches"),
        ((straight("a"), straight("a", parent="a", index=1)), "used twice"),
        ((straight("a"), straight("b")), "root already"),
        ((straight("a"), straight("b", parent="c", index=0)), "unknown"),
        ((straight("a"), straight("b", parent="a", index=9)), "not a point"),
        ((straight("a", outlet=False),), "no outlet"),
    ],
)
def test_impossible_trees_are_refused(branches, message):
    with pytest.raises(InputError, match=message):
        VesselTree("left", branches)


def test_bad_arrays_are_refused_with_the_branch_named():
    good = straight()
    for change in (
        {"radius": np.array([1e-3, 1e-3])},
        {"radius": -good.radius},
        {"area": np.full(5, np.nan)},
        {"points": np.zeros((5, 3))},
        {"points": good.points[:1]},
    ):
        with pytest.raises(InputError, match="branch 'a'"):
            VesselTree("left", (Branch(**{**good.__dict__, **change}),))


def test_children_come_proximal_first():
    tree = left_coronary().tree
    assert [child.name for child in tree.children("LM")] == ["LAD", "LCX"]
    assert tree.outlets == ("LAD", "LCX", "D1", "OM1")
    assert tree.root.name == "LM"


def test_normals_of_a_helix_do_not_twist():
    # Along a helix the twist-free frame turns against the Frenet frame by the torsion times the arc length.
    radius, pitch, turns = 20e-3, 6e-3, 2.0
    angle = np.linspace(0.0, 2.0 * np.pi * turns, 801)
    speed = np.hypot(radius, pitch)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), pitch * angle])
    tube = np.full(801, 1e-3)
    branch = Branch("helix", points, tube, np.pi * tube**2, tube)
    normal, tangent = branch.normal, branch.tangent
    assert np.abs(np.einsum("ij,ij->i", normal, tangent)).max() < 1e-12
    frenet = -np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    binormal = np.cross(tangent, frenet)
    turned = np.unwrap(np.arctan2(np.einsum("ij,ij->i", normal, binormal), np.einsum("ij,ij->i", normal, frenet)))
    torsion = pitch / speed**2
    assert turned[-1] - turned[0] == pytest.approx(-torsion * speed * angle[-1], rel=1e-3)


def test_part_of_a_branch_ends_exactly_where_asked():
    branch = straight(n=41)
    part = branch.between(3.3e-3, 30.1e-3)
    assert part.points[0, 2] == pytest.approx(3.3e-3)
    assert part.points[-1, 2] == pytest.approx(30.1e-3)
    assert part.perimeter is None
