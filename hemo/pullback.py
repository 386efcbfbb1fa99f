"""What a pullback of intravascular images says of a vessel: its lesions, plaque, calcium and stent, and FFR along it.

FFR (optical or ultrasonic flow ratio) is that of :mod:`hemo.reduced` at a prescribed flow, which nothing here solves for:
the flow given, or a velocity times the healthy area where the pullback begins; on the way side branches and the vessel's
own taper take what :mod:`hemo.boundary.split` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import Assumption
from hemo.boundary.split import split_flow
from hemo.errors import InputError
from hemo.geometry.intravascular.calcium import CalciumSections, Deposit, calcium_sections, deposits
from hemo.geometry.intravascular.contours import Pullback
from hemo.geometry.intravascular.placing import Placement, placed
from hemo.geometry.intravascular.plaque import Plaque, plaque
from hemo.geometry.intravascular.references import ReferenceRule, References, references
from hemo.geometry.intravascular.sections import Sections, lumen_sections
from hemo.geometry.intravascular.sidebranches import SeenBranch, seen_branches
from hemo.geometry.intravascular.stent import STRUT, StentSections, stent_sections
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.planning import Stent, opened
from hemo.reduced.prescribed import pressures
from hemo.results import TreeFlow
from hemo.tree import VesselTree
from hemo.units import ML_PER_MIN, MMHG

Array = NDArray[Any]

FIXED_VELOCITY = 0.35  # m/s: Tu et al. 2016, JACC Cardiovasc Interv 9:2024, fixed-flow QFR
USUAL_PRESSURE = 93.0 * MMHG
EXPONENT = 2.39  # of the flow-diameter law: hemo.boundary.split


@dataclass(frozen=True)
class FlowState:
    """The flow at the pullback's proximal end.

    Attributes
    ----------
    aortic_pressure
        Mean, at hyperaemia, Pa; None for a usual one. Pressure lost before the pullback begins is not known.
    flow
        m^3/s; None for ``velocity`` times the healthy lumen area at the proximal end.
    velocity
        Mean over the section, at hyperaemia, m/s.
    exponent
        k of the flow-diameter law by which side branches and the taper take their share.
    leakage
        Whether the tapering vessel gives off unseen branches.
    """

    aortic_pressure: float | None = None
    flow: float | None = None
    velocity: float | None = None
    exponent: float = EXPONENT
    leakage: bool = True

    def __post_init__(self) -> None:
        if self.flow is not None and self.velocity is not None:
            raise InputError("give the hyperaemic flow or its velocity, not both.")
        for name, value, low, high, unit in (
            ("aortic pressure", self.aortic_pressure, 30.0 * MMHG, 200.0 * MMHG, (MMHG, "mmHg")),
            ("flow", self.flow, 5.0 * ML_PER_MIN, 1000.0 * ML_PER_MIN, (ML_PER_MIN, "mL/min")),
            ("velocity", self.velocity, 0.05, 1.5, (1.0, "m/s")),
        ):
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"a hyperaemic {name} of {value / unit[0]:g} {unit[1]} is outside {low / unit[0]:g} to "
                    f"{high / unit[0]:g}; check its unit."
                )


@dataclass(frozen=True)
class PullbackOptions:
    """What is known besides the contours.

    Attributes
    ----------
    state
        The flow.
    blood
        Its density and viscosity.
    placement
        The centreline; None for a straight vessel.
    side_branches
        (place, diameter), m, of side branches that the contours do not show, or in place of those that they do.
    rule
        For references.
    strut
        Thickness that is no malapposition, m.
    """

    state: FlowState = FlowState()
    blood: Blood = Blood()
    placement: Placement | None = None
    side_branches: tuple[tuple[float, float], ...] = ()
    rule: ReferenceRule = ReferenceRule()
    strut: float = STRUT


@dataclass(frozen=True)
class FlowRatio:
    """FFR along the pullback.

    Attributes
    ----------
    flow
        Pressures and flow along the vessel.
    opened
        The same with every lesion at its healthy calibre, at the same flow; None without lesions.
    assumptions
        Everything that was assumed for it.
    """

    flow: TreeFlow
    opened: TreeFlow | None
    assumptions: tuple[Assumption, ...]


@dataclass(frozen=True)
class PullbackAnalysis:
    """Everything known of one pullback.

    Attributes
    ----------
    pullback, sections
        The frames and their lumen.
    plaque, stent, calcium
        Of each frame; None where no contour shows any.
    deposits
        Calcium in one piece.
    branches
        Side branches that the contours show.
    tree
        The vessel with healthy calibre, lesions and the side branches that take flow.
    healthy_area
        (n,) of the frames, m^2.
    stretch
        Where the narrowest lumen's lesion begins and ends, m.
    references
        Of the narrowest lumen.
    stent_references
        Of the stent; None without.
    ratio
        FFR along the pullback.
    warnings
        What a reader must know.
    """

    pullback: Pullback
    sections: Sections
    plaque: Plaque | None
    stent: StentSections | None
    calcium: CalciumSections | None
    deposits: tuple[Deposit, ...]
    branches: tuple[SeenBranch, ...]
    tree: VesselTree
    healthy_area: Array
    stretch: tuple[float, float]
    references: References
    stent_references: References | None
    ratio: FlowRatio
    warnings: tuple[str, ...]

    @property
    def narrowest(self) -> int:
        """Frame of the minimal lumen area, counted from the proximal end."""
        return int(self.sections.area.argmin())

    @property
    def area_stenosis(self) -> float | None:
        """1 - minimal lumen area / mean reference area; None without a reference."""
        mean = self.references.mean(self.sections.area)
        return None if mean is None else 1.0 - float(self.sections.area.min()) / mean

    @property
    def expansion(self) -> float | None:
        """Minimal stent area / mean of the reference lumen areas, of both where there are both; None without."""
        if self.stent is None or self.stent_references is None:
            return None
        mean = self.stent_references.mean(self.sections.area)
        return None if mean is None else float(np.nanmin(self.stent.area)) / mean

    def remodelling(self) -> float | None:
        """EEM area at the minimal lumen area / mean EEM area of the references; None where one is not drawn."""
        mean = None if self.plaque is None else self.references.mean(self.plaque.eem_area)
        if self.plaque is None or mean is None:
            return None
        index = float(self.plaque.eem_area[self.narrowest]) / mean
        return index if np.isfinite(index) else None


def analyse(pullback: Pullback, options: PullbackOptions | None = None) -> PullbackAnalysis:
    """Measure a pullback and compute FFR along it.

    Raises
    ------
    InputError
        If what is given does not fit the pullback, or the flow cannot pass its lumen.
    """
    options = options or PullbackOptions()
    frames, place = pullback.frames, pullback.place
    sections = lumen_sections(frames)
    seen = seen_branches(frames, sections)
    sides = options.side_branches or tuple((one.place, one.diameter) for one in seen if one.joins)
    tree = with_reference_and_lesions(placed(pullback, sections, sides, options.placement))
    healthy = np.pi * np.interp(place, _along(tree, place), tree.root.reference_radius) ** 2
    stretch = narrowed_stretch(place, sections.area, healthy, options.rule)
    found = references(place, sections.area, healthy, stretch, sides, options.rule)
    stent = stent_sections(frames, options.strut)
    beside_stent = None
    if stent is not None:
        within = np.flatnonzero(stent.shown)
        ends = float(place[within[0]]), float(place[within[-1]])
        beside_stent = references(place, sections.area, healthy, ends, sides, options.rule)
    calcium = calcium_sections(frames, sections)
    analysis = PullbackAnalysis(
        pullback,
        sections,
        plaque(frames, sections),
        stent,
        calcium,
        () if calcium is None else deposits(calcium, pullback.widths),
        seen,
        tree,
        healthy,
        stretch,
        found,
        beside_stent,
        flow_ratio(tree, options.state, options.blood),
        (),
    )
    return replace(analysis, warnings=(*pullback.warnings, *_doubts(analysis, bool(options.side_branches))))


def _along(tree: VesselTree, place: Array) -> Array:
    """(points,) places on the pullback of the vessel's points: a centreline bends, places do not."""
    return np.linspace(place[0], place[-1], len(tree.root.points))


def narrowed_stretch(place: Array, area: Array, healthy: Array, rule: ReferenceRule) -> tuple[float, float]:
    """From where to where the lumen about the minimal area is narrowed, m: the frame alone where it hardly is."""
    narrow = np.sqrt(area / healthy) <= 1.0 - rule.narrowing
    first = last = int(area.argmin())
    while narrow[first] and first > 0 and narrow[first - 1]:
        first -= 1
    while narrow[last] and last < len(area) - 1 and narrow[last + 1]:
        last += 1
    return float(place[first]), float(place[last])


def flow_ratio(tree: VesselTree, state: FlowState, blood: Blood | None = None) -> FlowRatio:
    """FFR along a vessel at the state's flow, as it is and with its lesions opened.

    Raises
    ------
    InputError
        If the flow cannot pass the lumen.
    """
    blood = blood or Blood()
    aortic = state.aortic_pressure or USUAL_PRESSURE
    area = float(np.pi * tree.root.reference_radius[0] ** 2)
    velocity = state.velocity or FIXED_VELOCITY
    inflow = state.flow or velocity * area
    shares = split_flow(tree, state.exponent, state.leakage)
    leaks = tuple(shares.leaks)

    def solved(vessel: VesselTree) -> TreeFlow:
        return pressures(vessel, inflow * shares.in_order, leaks, aortic, blood)

    after = solved(opened(tree, [Stent(lesion.id) for lesion in tree.lesions])) if tree.lesions else None
    given = "given"
    rows = [
        Assumption("mean aortic pressure", aortic / MMHG, "mmHg", given if state.aortic_pressure else "default: usual"),
        Assumption("flow at the proximal end", inflow / ML_PER_MIN, "mL/min", given if state.flow else "velocity x area"),
    ]
    if not state.flow:
        source = given if state.velocity else "default: fixed-flow QFR, Tu et al. 2016, JACC Cardiovasc Interv 9:2024"
        rows.append(Assumption("hyperaemic velocity", velocity, "m/s", source))
        rows.append(Assumption("healthy area at the proximal end", 1e6 * area, "mm^2", "fitted to the lumen"))
    rows += [
        Assumption("flow at the distal end", inflow * next(iter(shares.outlets.values())) / ML_PER_MIN, "mL/min", "split"),
        Assumption("exponent of the flow split", state.exponent, "1", "Taylor DJ et al. 2024, Am J Physiol 327:H182"),
        Assumption("density", blood.density, "kg/m^3", "default" if blood == Blood() else given),
        Assumption("viscosity", 1e3 * blood.viscosity, "mPa s", "default" if blood == Blood() else given),
    ]
    return FlowRatio(solved(tree), after, tuple(rows))


def _doubts(found: PullbackAnalysis, told: bool) -> Sequence[str]:
    """What a reader must know of the numbers."""
    said = [f"{found.pullback.name}: {reason}" for reason in found.references.lacking]
    if found.narrowest in (0, len(found.pullback.frames) - 1):
        said.append(f"{found.pullback.name}: the narrowest frame is the pullback's end; the lesion may go on beyond it.")
    for one in found.branches:
        if not one.joins and not told:
            said.append(
                f"{found.pullback.name}: a side branch is drawn from {1e3 * one.place:.1f} mm, but {1e3 * one.gap:.2f} mm "
                "off the lumen: its ostium is not shown, so it takes no flow; say where it leaves with --side-branch."
            )
    if found.stent_references is not None:
        said += [f"{found.pullback.name}, stent: {reason}" for reason in found.stent_references.lacking]
    if found.deposits and found.pullback.modality != "oct":
        said.append(
            f"{found.pullback.name}: ultrasound does not show how thick calcium is; thickness and score are OCT's"
            + (" (say --modality oct if this is OCT)." if found.pullback.modality is None else ".")
        )
    return said
