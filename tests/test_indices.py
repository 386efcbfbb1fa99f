from dataclasses import replace

import numpy as np
import pytest

from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.indices import (
    Reading,
    axial_plaque_stress,
    facet_geometry,
    lesion_pressure,
    lesion_wall,
    map_to_centreline,
    measurement_place,
    oscillation,
    reading_places,
    reserves,
    stenosis_resistance,
    transverse_shear,
    vessel_place,
    wire_equivalent,
)
from hemo.results import BranchFlow, Status, TreeFlow, WallTraction
from hemo.tree import VesselTree


def wall_of(surface, pressure, shear_pa):
    """Traction on the side wall of a straight vessel along z: pressure a function of z, shear along +z."""
    corners = surface.points[surface.triangles]
    side = ~np.all(np.isclose(corners[:, :, 2], corners[:, :1, 2]), axis=1)
    triangles = surface.triangles[side]
    height = surface.points[:, 2]
    shear = np.zeros_like(surface.points)
    shear[:, 2] = shear_pa
    facet_shear = np.tile([0.0, 0.0, shear_pa], (len(triangles), 1))
    facet_pressure = pressure(height[triangles].mean(axis=1))
    return WallTraction(surface.points, triangles, pressure(height), shear, facet_pressure, facet_shear)


def test_axial_force_of_uniform_pressure_is_the_change_of_section():
    surface, tree = straight_stenosis(severity=0.5)
    (lesion,) = tree.lesions
    traction = wall_of(surface, lambda z: np.full_like(z, 12000.0), 0.0)
    where = map_to_centreline(tree, facet_geometry(traction)[0])
    wall = lesion_wall(tree, lesion, traction, where, datum=12000.0)
    a0, throat = np.pi * 1.5e-3**2, np.pi * 0.75e-3**2
    _, area, normal = facet_geometry(traction)
    stress = axial_plaque_stress(traction.facet_pressure, traction.facet_shear, normal, where.tangent)
    upstream = (where.arc >= lesion.start) & (where.arc <= lesion.minimum)
    # Converging wall: pressure pushes it downstream with p (A_0 - A_throat); the diverging half pushes back.
    assert (stress * area)[upstream].sum() == pytest.approx(12000.0 * (a0 - throat), rel=0.01)
    assert wall.gauge["upstream"] > 0.0 > wall.gauge["downstream"]
    assert abs(wall.axial_force) < 0.01 * 12000.0 * (a0 - throat)
    assert wall.relative["mean"] == pytest.approx(0.0, abs=1e-9)


def test_shear_adds_its_axial_part():
    surface, tree = straight_stenosis(severity=0.0)
    traction = wall_of(surface, lambda z: 1000.0 - 1e4 * z, 5.0)
    where = map_to_centreline(tree, facet_geometry(traction)[0])
    _, _, normal = facet_geometry(traction)
    stress = axial_plaque_stress(traction.facet_pressure, traction.facet_shear, normal, where.tangent)
    assert stress == pytest.approx(5.0, rel=1e-6)


def test_ffr_is_read_20_mm_beyond_the_lesion():
    _, tree = straight_stenosis(severity=0.5)
    (lesion,) = tree.lesions
    branch = tree["vessel"]
    curve = BranchFlow(10000.0 - 1e5 * branch.arc, np.full(len(branch.arc), 1e-6))
    flow = TreeFlow("reduced", Status.CONVERGED, 10000.0, {"vessel": curve})
    read = lesion_pressure(tree, lesion, flow, None)
    assert read.place == pytest.approx(45e-3)
    assert read.distal == pytest.approx(1.0 - 10 * 45e-3)
    assert read.proximal == pytest.approx(1.0 - 10 * 15e-3)
    assert read.delta == pytest.approx(read.proximal - read.distal)
    assert read.wire_equivalent is None


def test_thin_tips_and_ends_do_not_decide():
    tree = left_coronary().tree
    (lesion,) = tree.lesions
    lad = tree["LAD"]
    assert measurement_place(lad, lesion) == pytest.approx(lesion.end + 20e-3)
    short = VesselTree("t", (lad.__class__(**{**lad.__dict__, "parent": None, "parent_index": None}),))["LAD"]
    assert measurement_place(short, lesion, Reading(200e-3)) == pytest.approx(short.length)
    thin = lad.__class__(**{**lad.__dict__, "area": np.where(lad.arc > lesion.end + 5e-3, 1e-6, lad.area)})
    assert measurement_place(thin, lesion) == pytest.approx(lesion.end + 5e-3, abs=0.3e-3)


def test_the_wire_is_where_it_was():
    tree = left_coronary().tree
    (lesion,) = tree.lesions
    assert measurement_place(tree["LAD"], lesion, Reading(wire={"LAD": 31e-3})) == pytest.approx(31e-3)
    assert measurement_place(tree["LAD"], lesion, Reading(wire={"LCX": 31e-3})) == pytest.approx(lesion.end + 20e-3)


def test_a_throat_or_a_thin_tip_never_decides_a_vessel():
    tree = left_coronary().tree
    lad = tree["LAD"]
    assert vessel_place(tree, lad) == pytest.approx(lad.length)
    thin = replace(lad, area=np.where(lad.arc > 50e-3, 2.0e-6, lad.area))  # 1.6 mm
    assert vessel_place(tree, thin) == pytest.approx(50e-3, abs=0.3e-3)
    (lesion,) = tree.lesions
    at_the_end = replace(tree, lesions=(replace(lesion, end=lad.length),))
    assert vessel_place(at_the_end, lad) == pytest.approx(lesion.start, abs=0.3e-3)
    assert vessel_place(tree, replace(lad, area=np.full_like(lad.area, 2.0e-6))) is None


def test_places_where_ffr_is_read():
    tree = left_coronary().tree
    (lesion,) = tree.lesions
    places = reading_places(tree)
    assert (tree.root.name, 0.0) in places
    assert {name for name, _ in places} == {branch.name for branch in tree.branches}
    assert ("LAD", lesion.start) in places
    assert ("LAD", pytest.approx(lesion.end + 20e-3)) in places
    assert ("LAD", 31e-3) in reading_places(tree, Reading(wire={"LAD": 31e-3}))


def test_venous_pressure_is_taken_off_both_where_asked():
    # Toth 2016: (Pd - Pv) / (Pa - Pv); at FFR 0.80, Pa 93 and Pv 5 it is lower by 0.011.
    curve = BranchFlow(np.array([93.0, 0.8 * 93.0]), np.ones(2))
    plain = TreeFlow("reduced", Status.CONVERGED, 93.0, {"a": curve})
    assert plain.ffr("a")[1] == pytest.approx(0.8)
    assert replace(plain, subtracted=5.0).ffr("a")[1] == pytest.approx(0.8 - 0.0114, abs=1e-4)


def test_reserves_and_stenosis_resistance_from_their_definitions():
    _, tree = straight_stenosis(severity=0.5)
    branch, (lesion,) = tree["vessel"], tree.lesions

    def flow(aortic, drop, volume):
        pressure = aortic - drop * np.clip((branch.arc - 15e-3) / 10e-3, 0.0, 1.0)
        return TreeFlow(
            "reduced", Status.CONVERGED, aortic, {"vessel": BranchFlow(pressure, np.full(len(branch.arc), volume))}
        )

    rest, most = flow(100.0, 5.0, 1e-6), flow(90.0, 27.0, 2.1e-6)
    found = reserves(branch, 45e-3, rest, most)
    assert found.flow == pytest.approx(2.1)
    assert found.resistance == pytest.approx(2.1 / 0.7 * 100.0 / 90.0)
    assert found.resting_ratio == pytest.approx(0.95)
    assert stenosis_resistance(branch, lesion, 45e-3, most) == pytest.approx(27.0 / 2.1e-6)


def test_hydrostatic_height_of_an_anterior_sensor_lowers_the_wire():
    # A sensor 5.1 cm anterior of the ostium reads 4.0 mmHg less: at 93 mmHg that is 0.043 (physics sheet, NARCO LAD).
    value = wire_equivalent(0.90, np.array([0.0, -0.051, 0.0]), np.zeros(3), 93 * 133.322, 1060.0)
    assert 0.90 - value == pytest.approx(0.0428, abs=5e-4)
    assert wire_equivalent(0.90, np.array([0.0, 0.03, 0.0]), np.zeros(3), 93 * 133.322, 1060.0) > 0.90


def test_oscillation_of_a_reversing_and_of_a_steady_shear():
    instants = np.linspace(0.0, 2 * np.pi, 4001)[:-1]
    weights = np.full(4000, 1 / 4000)
    mean, amplitude = 1.0, 2.0
    shear = np.zeros((4000, 1, 3))
    shear[:, 0, 0] = mean + amplitude * np.cos(instants)
    magnitude, osi, residence = oscillation(shear, weights)
    # |a + b cos| averages to (2/pi) (a asin(a/b) + sqrt(b^2 - a^2)) for a < b.
    exact = 2 / np.pi * (mean * np.arcsin(mean / amplitude) + np.sqrt(amplitude**2 - mean**2))
    assert magnitude[0] == pytest.approx(exact, rel=1e-5)
    assert osi[0] == pytest.approx(0.5 * (1 - mean / exact), rel=1e-5)
    assert residence[0] == pytest.approx(1.0 / mean, rel=1e-9)
    assert residence[0] == pytest.approx(1.0 / ((1 - 2 * osi[0]) * magnitude[0]), rel=1e-9)
    assert oscillation(shear[:1], np.ones(1))[1][0] == 0.0


def test_shear_across_its_mean_direction():
    """Along x with a swing along y on a wall whose normal is z: <|cos|> = 2 / pi of the swing; none along the mean."""
    turn = 2 * np.pi * (np.arange(4000) + 0.5) / 4000
    shear = np.zeros((4000, 3, 3))
    shear[:, 0] = np.column_stack([np.full(4000, 1.5), 0.7 * np.cos(turn), 0 * turn])
    shear[:, 1, 0] = 1.5 + 2.0 * np.cos(turn)
    found = transverse_shear(shear, np.full(4000, 1 / 4000), np.tile([0.0, 0.0, 1.0], (3, 1)))
    assert found == pytest.approx([0.7 * 2 / np.pi, 0.0, 0.0], abs=1e-6)


def test_wall_points_go_to_the_right_branch():
    tree = left_coronary().tree
    for number, branch in enumerate(tree.branches):
        middle = len(branch.points) // 2
        side = np.cross(branch.tangent[middle], [0.3, 0.5, 0.8])
        point = branch.points[middle] + 0.9 * branch.radius[middle] * side / np.linalg.norm(side)
        where = map_to_centreline(tree, point[None])
        assert where.branch[0] == number
        assert where.arc[0] == pytest.approx(branch.arc[middle], abs=2e-4)
