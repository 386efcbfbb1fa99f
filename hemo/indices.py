"""Clinical indices from flow and wall traction: arrays in, arrays out.

Fractional flow reserve here is section-mean STATIC pressure over mean aortic pressure. Axial plaque
stress follows Choi et al. 2015 (JACC Cardiovasc Imaging 8:1156): the component along the centreline of
the traction that the fluid exerts on the wall, positive in the direction of flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.results import TreeFlow, WallTraction
from hemo.tree import Branch, Lesion, VesselTree
from hemo.triangles import triangle_areas, unit_normals

Array = NDArray[Any]

GRAVITY = 9.80665  # m/s^2
THRESHOLD = 0.80  # of FFR and QFR, at or below which a lesion is taken to lack flow
MEASUREMENT_DISTANCE = 20e-3  # m beyond the lesion's end; published practice is 10 to 30 mm
MINIMAL_WIRE_DIAMETER = 1.8e-3  # m; FFR is not read in thinner tips


@dataclass(frozen=True)
class Reading:
    """Where FFR is read: ``distance`` (m) beyond a lesion's end, or where the wire was, by branch (arc length, m)."""

    distance: float = MEASUREMENT_DISTANCE
    wire: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LesionPressure:
    """FFR round one lesion.

    ``place`` is the arc length (m) on the lesion's branch at which ``distal`` is read. ``wire_equivalent`` is
    what a pressure wire would read there with the patient supine, or None where the orientation is unknown.
    """

    proximal: float
    distal: float
    place: float
    delta: float
    wire_equivalent: float | None


def measurement_place(branch: Branch, lesion: Lesion, reading: Reading | None = None) -> float:
    """Arc length (m) where a lesion's FFR is read.

    Where the wire was, if that is known; else the wanted distance beyond the lesion's end, or the last place before it
    that is at least 1.8 mm wide, or the branch's end; never inside the lesion unless the branch ends there.
    """
    reading = reading or Reading()
    arc = branch.arc
    if branch.name in reading.wire:
        return float(np.clip(reading.wire[branch.name], 0.0, arc[-1]))
    place = min(lesion.end + reading.distance, float(arc[-1]))
    thin = (arc >= lesion.end) & (arc <= place) & (branch.diameter < MINIMAL_WIRE_DIAMETER)
    if not thin.any():
        return place
    before = arc[(arc >= lesion.end) & (arc < arc[thin][0])]
    return float(before[-1]) if len(before) else min(lesion.end, place)


def vessel_place(tree: VesselTree, branch: Branch) -> float | None:
    """Arc length (m) where a vessel's own FFR is read: its last place at least 1.8 mm wide and outside every lesion.

    None where there is no such place: a throat, or a tip too thin for a wire, never decides a vessel.
    """
    arc = branch.arc
    good = branch.diameter >= MINIMAL_WIRE_DIAMETER
    for lesion in tree.lesions_on(branch.name):
        good &= (arc < lesion.start) | (arc > lesion.end)
    return float(arc[good][-1]) if good.any() else None


def reading_places(tree: VesselTree, reading: Reading | None = None) -> list[tuple[str, float]]:
    """Branch and arc length (m) of every place where a reported FFR is read, the inlet among them."""
    found = [(tree.root.name, 0.0)]
    for branch in tree.branches:
        found += [(branch.name, branch.length), (branch.name, vessel_place(tree, branch) or branch.length)]
    for lesion in tree.lesions:
        places = lesion.start, measurement_place(tree[lesion.branch], lesion, reading)
        found += [(lesion.branch, place) for place in places]
    return found


def lesion_pressure(
    tree: VesselTree, lesion: Lesion, flow: TreeFlow, density: float | None, reading: Reading | None = None
) -> LesionPressure:
    """FFR at a lesion's start and distal to it; ``density`` (kg/m^3) None leaves the wire equivalent out."""
    branch = tree[lesion.branch]
    curve = flow.ffr(lesion.branch)
    place = measurement_place(branch, lesion, reading)
    proximal = float(np.interp(lesion.start, branch.arc, curve))
    distal = float(np.interp(place, branch.arc, curve))
    wire = None
    if density is not None:
        sensor = np.array([np.interp(place, branch.arc, branch.points[:, k]) for k in range(3)])
        scale = flow.aortic_pressure - flow.subtracted
        wire = wire_equivalent(distal, sensor, tree.root.points[0], scale, density)
    return LesionPressure(proximal, distal, place, proximal - distal, wire)


def wire_equivalent(ffr: float, sensor: Array, ostium: Array, aortic_pressure: float, density: float) -> float:
    """FFR as a fluid-filled reference and a wire sensor read it with the patient supine.

    The sensor's pressure contains the weight of the blood between it and the ostium: FFR - rho g h / P_a, h being
    the sensor's height anterior of the ostium (LPS: minus y). Al-Janabi et al. 2021 correct measured FFR so.
    """
    height = -(float(sensor[1]) - float(ostium[1]))
    return ffr - density * GRAVITY * height / aortic_pressure


@dataclass(frozen=True)
class Reserves:
    """Rest against hyperaemia at one place.

    ``flow`` is the coronary flow reserve, ``resistance`` the microvascular resistance reserve (CFR / FFR) (Pa_rest /
    Pa_hyperaemia) of De Bruyne et al. 2021 (J Am Coll Cardiol 78:1541), ``resting_ratio`` Pd/Pa at rest.
    """

    flow: float
    resistance: float
    resting_ratio: float


def reserves(branch: Branch, place: float, rest: TreeFlow, hyperaemia: TreeFlow) -> Reserves:
    """Flow and resistance reserve at an arc length (m) of a branch."""

    def at(values: Array) -> float:
        return float(np.interp(place, branch.arc, values))

    flow = at(hyperaemia.branches[branch.name].flow) / at(rest.branches[branch.name].flow)
    ratio = at(hyperaemia.branches[branch.name].pressure) / hyperaemia.aortic_pressure
    pressures = rest.aortic_pressure / hyperaemia.aortic_pressure
    return Reserves(flow, flow / ratio * pressures, at(rest.ffr(branch.name)))


def stenosis_resistance(branch: Branch, lesion: Lesion, place: float, flow: TreeFlow) -> float:
    """Pressure lost from a lesion's start to a place (m) beyond it over the flow there, Pa s / m^3.

    At hyperaemia the hyperaemic stenosis resistance (with volume flow for velocity), at rest the basal one.
    """
    along = flow.branches[branch.name]
    before, beyond, passing = (
        float(np.interp(at, branch.arc, values))
        for at, values in ((lesion.start, along.pressure), (place, along.pressure), (place, along.flow))
    )
    return (before - beyond) / passing


@dataclass(frozen=True)
class CentrelineMap:
    """For each of (n,) places on the wall: the branch, its arc length (m) and the unit tangent there."""

    branch: NDArray[np.int64]
    arc: Array
    tangent: Array


def map_to_centreline(tree: VesselTree, points: Array) -> CentrelineMap:
    """Assign (n, 3) wall points to the nearest centreline, distance measured in lumen radii.

    Distance in radii, so that a thin branch does not lose its wall to the thick parent beside it. The
    tangent is interpolated to the foot of the perpendicular between centreline points.
    """
    best = np.full(len(points), np.inf)
    owner = np.zeros(len(points), dtype=np.int64)
    arc = np.zeros(len(points))
    for number, branch in enumerate(tree.branches):
        distance, nearest = cKDTree(branch.points).query(points)
        scaled = distance / branch.radius[nearest]
        closer = scaled < best
        best[closer], owner[closer] = scaled[closer], number
        arc[closer] = _foot(branch, points[closer], nearest[closer])
    tangent = np.empty((len(points), 3))
    for number, branch in enumerate(tree.branches):
        mine = owner == number
        direction = np.column_stack([np.interp(arc[mine], branch.arc, branch.tangent[:, k]) for k in range(3)])
        tangent[mine] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return CentrelineMap(owner, arc, tangent)


def _foot(branch: Branch, points: Array, nearest: NDArray[np.int64]) -> Array:
    """Arc length of the perpendicular's foot, from the tangent at the nearest centreline point."""
    along = np.einsum("ij,ij->i", points - branch.points[nearest], branch.tangent[nearest])
    return np.clip(branch.arc[nearest] + along, 0.0, branch.length)


def facet_geometry(traction: WallTraction) -> tuple[Array, Array, Array]:
    """Centroid (m, 3), area (m,) in m^2 and unit normal out of the fluid (m, 3) of each wall triangle."""
    corners = traction.points[traction.triangles]
    return corners.mean(axis=1), triangle_areas(corners), unit_normals(corners)


def axial_plaque_stress(pressure: Array, shear: Array, normal: Array, tangent: Array) -> Array:
    """(n,) axial component of the traction on the wall, p n + tau, along the centreline, Pa.

    ``normal`` points out of the fluid, ``shear`` is the tangential traction of the fluid on the wall.
    """
    return pressure * np.einsum("ij,ij->i", normal, tangent) + np.einsum("ij,ij->i", shear, tangent)


@dataclass(frozen=True)
class LesionWall:
    """Wall shear and axial plaque stress of one lesion.

    ``gauge`` and ``relative`` hold ``"mean"``, ``"upstream"`` and ``"downstream"`` area means of axial
    plaque stress, Pa: with gauge pressure, and with pressure relative to the lesion's start. ``axial_force``
    is the integral over the lesion with gauge pressure, N.
    """

    wss_mean: float
    wss_max: float
    axial_force: float
    gauge: dict[str, float]
    relative: dict[str, float]
    datum: float


def lesion_wall(
    tree: VesselTree, lesion: Lesion, traction: WallTraction, where: CentrelineMap, datum: float
) -> LesionWall:
    """Average the traction over the wall of a lesion.

    ``where`` is :func:`map_to_centreline` of the wall triangles' centroids; ``datum`` is the section-mean
    pressure at the lesion's start, Pa. ``wss_max`` is the 99th area percentile, which does not hang on a
    single triangle.

    Raises
    ------
    ValueError
        If no wall triangle belongs to the lesion.
    """
    number = [branch.name for branch in tree.branches].index(lesion.branch)
    _, area, normal = facet_geometry(traction)
    inside = (where.branch == number) & (where.arc >= lesion.start) & (where.arc <= lesion.end)
    if not inside.any():
        raise ValueError(f"no wall triangle belongs to lesion {lesion.id}")
    parts = {
        "mean": inside,
        "upstream": inside & (where.arc <= lesion.minimum),
        "downstream": inside & (where.arc > lesion.minimum),
    }
    gauge = axial_plaque_stress(traction.facet_pressure, traction.facet_shear, normal, where.tangent)
    relative = axial_plaque_stress(traction.facet_pressure - datum, traction.facet_shear, normal, where.tangent)
    wss = _facet_wss(traction, inside)
    return LesionWall(
        wss_mean=float(np.average(wss, weights=area[inside])),
        wss_max=_area_percentile(wss, area[inside], 0.99),
        axial_force=float(gauge[inside] @ area[inside]),
        gauge={name: _mean(gauge, area, part) for name, part in parts.items()},
        relative={name: _mean(relative, area, part) for name, part in parts.items()},
        datum=datum,
    )


def _facet_wss(traction: WallTraction, inside: NDArray[np.bool_]) -> Array:
    """Magnitude of the shear on the triangles ``inside``, in time its mean (TAWSS), Pa."""
    if traction.instants is None:
        return np.asarray(np.linalg.norm(traction.facet_shear[inside], axis=1))
    used, triangles = np.unique(traction.triangles[inside], return_inverse=True)
    shear, weights = traction.over_time
    tawss, _, _ = oscillation(shear[:, used], weights)
    return np.asarray(tawss[triangles.reshape(-1, 3)].mean(axis=1))


def _mean(values: Array, area: Array, part: NDArray[np.bool_]) -> float:
    return float(np.average(values[part], weights=area[part])) if part.any() else float("nan")


def _area_percentile(values: Array, area: Array, fraction: float) -> float:
    order = np.argsort(values)
    covered = np.cumsum(area[order]) / area.sum()
    return float(values[order][min(int(np.searchsorted(covered, fraction)), len(values) - 1)])


def oscillation(shear: Array, weights: Array) -> tuple[Array, Array, Array]:
    """TAWSS (Pa), OSI and RRT (1/Pa) of (k, n, 3) wall shear at k instants with (k,) weights summing to 1.

    TAWSS = <|tau|>, OSI = (1 - |<tau>| / <|tau|>) / 2 (Ku et al. 1985, Arteriosclerosis 5:293), RRT = 1 / |<tau>|
    (Himburg et al. 2004, J Biomech 37:383). One instant gives the steady values: OSI 0.
    """
    magnitude = np.einsum("k,kn->n", weights, np.linalg.norm(shear, axis=2))
    net = np.linalg.norm(np.einsum("k,knd->nd", weights, shear), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        osi = np.where(magnitude > 0.0, 0.5 * (1.0 - net / magnitude), 0.0)
        residence = np.where(net > 0.0, 1.0 / net, np.inf)
    return magnitude, np.clip(osi, 0.0, 0.5), residence


def transverse_shear(shear: Array, weights: Array, normal: Array) -> Array:
    """(n,) transverse wall shear stress, Pa: <|tau . (n x <tau> / |<tau>|)|>, arguments as in :func:`oscillation`.

    What of the shear lies across its mean direction (Peiffer, Sherwin and Weinberg 2013, Cardiovasc Res 99:242); 0
    where the mean vanishes, and in steady flow.
    """
    mean = np.einsum("k,knd->nd", weights, shear)
    across = np.cross(normal, mean)
    size = np.linalg.norm(across, axis=1, keepdims=True)
    unit = np.divide(across, size, out=np.zeros_like(across), where=size > 0.0)
    return np.asarray(np.einsum("k,kn->n", weights, np.abs(np.einsum("knd,nd->kn", shear, unit))))
