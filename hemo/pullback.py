"""What a pullback of intravascular images says of a vessel: lesions, plaque, calcium and stent, and FFR along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import Assumption
from hemo.flowratio import FlowRatio
from hemo.geometry.intravascular.calcium import CalciumSections, Deposit, calcium_sections, deposits
from hemo.geometry.intravascular.contours import Pullback
from hemo.geometry.intravascular.placing import Placement, placed
from hemo.geometry.intravascular.plaque import Plaque, plaque
from hemo.geometry.intravascular.references import ReferenceRule, References, references
from hemo.geometry.intravascular.sections import Sections, lumen_sections
from hemo.geometry.intravascular.sidebranches import SeenBranch, seen_branches
from hemo.geometry.intravascular.stent import STRUT, StentSections, stent_sections
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.pullbackflow import FlowState, pullback_flow
from hemo.tree import VesselTree

Array = NDArray[Any]

OVAL = 1.3  # times a round lumen's friction: worth telling


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

    state: FlowState = field(default_factory=FlowState)
    blood: Blood = field(default_factory=Blood)
    placement: Placement | None = None
    side_branches: tuple[tuple[float, float], ...] = ()
    rule: ReferenceRule = field(default_factory=ReferenceRule)
    strut: float = STRUT


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
    ratio, assumptions
        FFR along the pullback, and everything that was assumed for it.
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
    assumptions: tuple[Assumption, ...]
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
    normal = np.pi * np.interp(place, _along(tree, place), tree.root.reference_radius) ** 2
    stretch = narrowed_stretch(place, sections.area, normal, options.rule)
    stent = stent_sections(frames, options.strut)
    beside_stent = None
    if stent is not None:
        ends = float(place[stent.shown][0]), float(place[stent.shown][-1])
        beside_stent = references(place, sections.area, normal, ends, sides, options.rule)
        if ends[0] <= place[sections.area.argmin()] <= ends[1]:  # a stented frame is no reference of another
            stretch = min(stretch[0], ends[0]), max(stretch[1], ends[1])
    found = references(place, sections.area, normal, stretch, sides, options.rule)
    calcium = calcium_sections(frames, sections)
    entering = pullback_flow(tree, options.state, options.blood)
    analysis = PullbackAnalysis(
        pullback,
        sections,
        plaque(frames, sections),
        stent,
        calcium,
        () if calcium is None else deposits(calcium, pullback.widths),
        seen,
        tree,
        normal,
        stretch,
        found,
        beside_stent,
        entering.ratio,
        entering.assumptions,
        (),
    )
    return replace(analysis, warnings=(*pullback.warnings, *_doubts(analysis, bool(options.side_branches))))


def _along(tree: VesselTree, place: Array) -> Array:
    """(points,) places on the pullback of the vessel's points: a centreline bends, places do not."""
    return np.linspace(place[0], place[-1], len(tree.root.points))


def narrowed_stretch(place: Array, area: Array, normal: Array, rule: ReferenceRule) -> tuple[float, float]:
    """From where to where the lumen about the minimal area is narrowed, m: the frame alone where it hardly is."""
    narrow = np.sqrt(area / normal) <= 1.0 - rule.narrowing
    first = last = int(area.argmin())
    while narrow[first] and first > 0 and narrow[first - 1]:
        first -= 1
    while narrow[last] and last < len(area) - 1 and narrow[last + 1]:
        last += 1
    return float(place[first]), float(place[last])


def _doubts(found: PullbackAnalysis, told: bool) -> Sequence[str]:
    """What a reader must know of the numbers."""
    said = [f"{found.pullback.name}: {reason}" for reason in found.references.lacking]
    name = found.pullback.name
    if found.narrowest in (0, len(found.pullback.frames) - 1):
        said.append(f"{name}: the narrowest frame is at the pullback's end; the lesion may go on beyond it.")
    if found.stretch[0] <= 0.0:
        said.append(
            f"{name}: the vessel is narrowed where the pullback begins; what is lost on the way in, before the first "
            "frame, is not part of FFR."
        )
    oval = int(found.sections.oval_friction.argmax())
    if found.sections.oval_friction[oval] > OVAL:
        said.append(
            f"{name}: lumens are as oval as {1e3 * found.sections.least_diameter[oval]:.1f} by "
            f"{1e3 * found.sections.greatest_diameter[oval]:.1f} mm (frame {found.pullback.frames[oval].number}); "
            f"friction there is {found.sections.oval_friction[oval]:.1f} times that of a round lumen of the same area, "
            "which FFR counts, so FFR may be too high."
        )
    for one in found.branches:
        if not one.joins and not told:
            said.append(
                f"{name}: a side branch is drawn from {1e3 * one.place:.1f} mm, but {1e3 * one.gap:.2f} mm "
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
