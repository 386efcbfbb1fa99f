r"""How sure FFR is: many samples of what is not known, each solved by the reduced model.

What varies, each by a standard normal number or, of the lumen, by one for all vessels together and several for each
vessel (:class:`Doubts` says by how much and why):

* *lumen*: the diameter, in part the same everywhere (how bright a border is taken for the wall), in part from place to
  place with a correlation length along the vessel (noise of the image and the reader);
* *resting flow* and *resistance reserve*: factors on what the beds let through;
* *division*: the exponent by which flow divides with the calibre;
* *pressure*: mean aortic pressure, at the same resting flow;
* *viscosity*: of the blood;
* *loss law*: the factor on what lesions lose, even over its range.

The samples are a scrambled Sobol sequence with the columns of Saltelli's scheme (Saltelli et al. 2010, Comput Phys
Commun 181:259), so that the same solves give the distribution and, by SALib, every cause's part of the variance: alone
(first order) and with all that it does together with others (total).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology
from hemo.errors import EnvironmentMissing, InputError
from hemo.indices import THRESHOLD, Reading, measurement_place
from hemo.reduced.batch import Samples, solve_samples
from hemo.reduced.beds import solve_states
from hemo.reduced.budget import NARROWEST, Spread, flow_spreads
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import sink_resistances
from hemo.tree import Branch, VesselTree
from hemo.units import MMHG

Array = NDArray[Any]
log = logging.getLogger(__name__)

CAUSES = ("lumen", "resting flow", "resistance reserve", "division", "pressure", "viscosity", "loss law")
SAME_LEAK = 2e-3  # m between the places of one leak under two exponents; leaks are some 5 mm apart
KEPT = 0.99  # of a vessel's local variance is in the modes that are kept
NODES = np.array([-3.0, -1.5, 0.0, 1.5, 3.0])  # standard deviations of the exponent at which beds are worked out


@dataclass(frozen=True)
class Doubts:
    """Standard deviations.

    Attributes
    ----------
    spread
        Of lumen, division and loss law, shared with the error budget of every run.
    common
        Part of the lumen's variance that is the same everywhere; hemo's own assumption.
    correlation
        Length along a vessel over which the rest of it goes together, m; hemo's own assumption, a lesion's length.
    pressure
        Of the mean aortic pressure, Pa. A cuff may be off by 8 mmHg in systole and in diastole (ISO 81060-2); of a mean
        0.4 and 0.6 of those, independent of one another: 5.8 mmHg.
    viscosity
        Relative. Haematocrit 0.42 +- 0.04 in viscosity ~ exp(2.31 H): 9 %.
    """

    spread: Spread = field(default_factory=Spread)
    common: float = 0.5
    correlation: float = 8e-3
    pressure: float = 5.8 * MMHG
    viscosity: float = 0.09

    def __post_init__(self) -> None:
        if not 0.0 <= self.common <= 1.0:
            raise InputError(f"the common part of the lumen's variance is {self.common:g}; it lies between 0 and 1.")
        if self.correlation <= 0.0 or self.spread.lumen_diameter < 0.0 or self.pressure < 0.0 or self.viscosity < 0.0:
            raise InputError("a standard deviation is negative, or the correlation length is not positive.")


@dataclass(frozen=True)
class Distribution:
    """FFR at one place over the samples.

    Attributes
    ----------
    name, branch, place
        Of the lesion or of the outlet's vessel; the branch and arc length (m) where FFR is read.
    value
        Without any doubt.
    mean, deviation, interval
        Of the samples: mean, standard deviation, 2.5th and 97.5th percentile.
    positive
        Part of the samples at 0.80 or below.
    first, total
        Part of the variance by cause: alone, and with all that it does together with others; with the half-widths of
        their 95 % intervals.
    """

    name: str
    branch: str
    place: float
    value: float
    mean: float
    deviation: float
    interval: tuple[float, float]
    positive: float
    first: dict[str, tuple[float, float]]
    total: dict[str, tuple[float, float]]

    @property
    def measure(self) -> str:
        """The cause whose better knowledge would narrow the interval most."""
        return max(self.first, key=lambda name: self.first[name][0])


@dataclass(frozen=True)
class Uncertainty:
    """Of one tree: ``lesions`` and ``outlets``, from so many solves under a seed."""

    tree: str
    lesions: tuple[Distribution, ...]
    outlets: tuple[Distribution, ...]
    solves: int
    seed: int


def uncertainty(
    tree: VesselTree,
    patient: Physiology,
    blood: Blood | None = None,
    reading: Reading | None = None,
    doubts: Doubts | None = None,
    samples: int = 1024,
    seed: int = 0,
    subtracted: float = 0.0,
    options: LossOptions | None = None,
) -> Uncertainty:
    """Distribution of FFR beyond every lesion and at every outlet.

    Parameters
    ----------
    samples
        Base samples, a power of two; each costs two solves and one for each cause.
    subtracted
        Venous pressure that is taken off both pressures of FFR, Pa.
    options
        Of the loss law. A calibration's factors stay in every sample; its further losses go with each sample's
        density and lumen as kinetic pressures do, and the law's range is the narrower one of calibrated trees.

    Raises
    ------
    InputError
        If ``samples`` is no power of two, or no sample can be solved.
    EnvironmentMissing
        Without SALib.
    """
    if samples < 2 or samples & (samples - 1):
        raise InputError(f"{samples} samples: a Sobol sequence wants a power of two, such as 1024.")
    cases = _Cases(tree, patient, blood or Blood(), doubts or Doubts(), options or LossOptions())
    problem = {"num_vars": len(cases.groups), "names": [f"x{i}" for i in range(len(cases.groups))]}
    problem |= {"groups": cases.groups, "bounds": [[0.0, 1.0]] * len(cases.groups)}
    z = ndtri(_columns(np.array(cases.groups), samples, seed))
    lesion_places = [(one.branch, measurement_place(tree[one.branch], one, reading)) for one in tree.lesions]
    places = lesion_places + [(name, tree[name].length) for name in tree.outlets]
    names = [lesion.id for lesion in tree.lesions] + list(tree.outlets)
    ffr = cases.ffr(z, places, subtracted)
    known = cases.ffr(np.zeros((1, len(cases.groups))), places, subtracted, known=True)[:, 0]
    block = len(CAUSES) + 2
    own = np.sort(np.concatenate([np.arange(0, len(z), block), np.arange(block - 1, len(z), block)]))
    found = []
    for i, (name, (branch, place)) in enumerate(zip(names, places, strict=True)):
        first, total = _indices(problem, ffr[i], seed)
        plain = ffr[i, own]
        low, high = np.quantile(plain, [0.025, 0.975])
        found.append(
            Distribution(
                name,
                branch,
                place,
                float(known[i]),
                float(plain.mean()),
                float(plain.std(ddof=1)),
                (float(low), float(high)),
                float((plain <= THRESHOLD).mean()),
                first,
                total,
            )
        )
    count = len(lesion_places)
    return Uncertainty(tree.name, tuple(found[:count]), tuple(found[count:]), len(z), seed)


def _columns(groups: NDArray[np.str_], count: int, seed: int) -> Array:
    """(count (causes + 2), d) numbers in (0, 1) in SALib's order: A, A with each cause's columns from B, B.

    A and B are one Sobol sequence's dimensions, of which the first ones go together best: what has one number only
    takes those, in A and in B, before the many of the lumen.
    """
    order = np.argsort(groups == "lumen", kind="stable")
    scalars, whole = int((groups != "lumen").sum()), len(groups)
    points = qmc.Sobol(2 * whole, scramble=True, rng=np.random.default_rng(seed)).random(count)
    rows = np.split(np.clip(points, 1e-12, 1.0 - 1e-12), [scalars, 2 * scalars, scalars + whole], axis=1)
    first, second = np.empty((2, count, whole))
    first[:, order], second[:, order] = np.hstack([rows[0], rows[2]]), np.hstack([rows[1], rows[3]])
    mixed = [np.where(groups == cause, second, first) for cause in CAUSES]
    return np.stack([first, *mixed, second], axis=1).reshape(-1, whole)


def _indices(
    problem: dict[str, Any], values: Array, seed: int
) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]]:
    """First-order and total indices by cause, all 0 where nothing varies."""
    if np.ptp(values) < 1e-9:
        nothing = dict.fromkeys(CAUSES, (0.0, 0.0))
        return nothing, dict(nothing)
    try:
        from SALib.analyze import sobol
    except ImportError as error:
        raise EnvironmentMissing("SALib is not installed; `pip install hemo[uncertainty]` or `make setup`.") from error
    # Seed 0 would be none to SALib.
    found = sobol.analyze(problem, values, calc_second_order=False, seed=seed + 1)
    return (
        {name: (float(a), float(b)) for name, a, b in zip(CAUSES, found["S1"], found["S1_conf"], strict=True)},
        {name: (float(a), float(b)) for name, a, b in zip(CAUSES, found["ST"], found["ST_conf"], strict=True)},
    )


class _Cases:
    """From standard normal numbers to the reduced model's parameters."""

    def __init__(
        self, tree: VesselTree, patient: Physiology, blood: Blood, doubts: Doubts, options: LossOptions
    ) -> None:
        self.tree, self.blood, self.doubts, self.options = tree, blood, doubts, options
        self.own, self.reserve = flow_spreads(tree, patient)
        self.conditions, self.beds = _beds_over_exponents(tree, patient, blood, doubts.spread.exponent, options)
        self.modes = _diameter_modes(tree, doubts)
        self.groups = ["lumen"] * self.modes.shape[1] + list(CAUSES[1:])

    def ffr(self, z: Array, places: list[tuple[str, float]], subtracted: float, known: bool = False) -> Array:
        """(places, b) from numbers (b, d); ``known`` by the loss law as it is."""
        lumen, (flow, reserve, division, pressure, viscosity, law) = (
            z[:, : -len(CAUSES) + 1],
            z[:, -len(CAUSES) + 1 :].T,
        )
        given, doubts = self.conditions, self.doubts
        # Less than a fifth of the pressure, or of the drive, is no patient's.
        aortic = np.maximum(given.aortic_pressure + doubts.pressure * pressure, 0.2 * given.aortic_pressure)
        aortic = np.maximum(aortic, given.venous_pressure + 0.2 * (given.aortic_pressure - given.venous_pressure))
        drive = (aortic - given.venous_pressure) / (given.aortic_pressure - given.venous_pressure)
        more = np.exp(self.own * flow + self.reserve * reserve)
        resistance = np.exp(self.beds @ np.vander(division, len(NODES)).T) * drive
        low, high = doubts.spread.expansions(self.options)
        radius = np.concatenate([branch.diameter for branch in self.tree.branches]) / 2.0

        def factor(part: slice) -> Array:
            changed = 1.0 + (self.modes @ lumen[part].T) / (2.0 * radius[:, None])
            return np.maximum(changed, NARROWEST)

        samples = Samples(
            aortic,
            given.venous_pressure,
            resistance if given.inlet_flow is not None else resistance / more,
            self.blood.density,
            self.blood.viscosity * np.exp(doubts.viscosity * viscosity),
            1.0 if known else low + (high - low) * ndtr(law),
            None if given.inlet_flow is None else given.inlet_flow * more,
            factor,
        )
        solved = solve_samples(self.tree, given.leak_places, samples, len(z), places, self.options)
        if not solved.converged.all():
            log.warning("%d of %d samples did not converge", int((~solved.converged).sum()), len(z))
        return np.asarray((solved.pressure - subtracted) / (aortic - subtracted))


def _beds_over_exponents(
    tree: VesselTree, patient: Physiology, blood: Blood, deviation: float, options: LossOptions
) -> tuple[FlowConditions, Array]:
    """The conditions, and (sinks, nodes) the polynomial through the logarithm of each bed's resistance.

    Its variable is the exponent's distance from the patient's own in standard deviations.
    """
    found = []
    for node in NODES:
        other = replace(patient, exponent=patient.division_exponent + deviation * float(node))
        found.append(solve_states(tree, other, blood, options).of(patient.state)[1])
    usual = found[len(NODES) // 2]
    resistance = np.array([_of_the_same_beds(tree, usual, conditions) for conditions in found])
    return usual, np.linalg.solve(np.vander(NODES), np.log(resistance)).T


def _of_the_same_beds(tree: VesselTree, usual: FlowConditions, other: FlowConditions) -> Array:
    """(sinks,) resistances by ``other`` of the sinks of ``usual``, Pa s / m^3.

    Another exponent moves a leak by a point or two, and adds or drops the least ones: a dropped one keeps its own.
    """
    count = len(tree.outlets)
    mine, others = sink_resistances(tree, usual), sink_resistances(tree, other)
    mine[:count] = others[:count]
    for k, leak in enumerate(usual.leaks):
        arc = tree[leak.branch].arc
        near = [
            (abs(float(arc[one.point] - arc[leak.point])), float(value))
            for one, value in zip(other.leaks, others[count:], strict=True)
            if one.branch == leak.branch
        ]
        distance, value = min(near, default=(np.inf, 0.0))
        if distance < SAME_LEAK:
            mine[count + k] = value
    return mine


def _diameter_modes(tree: VesselTree, doubts: Doubts) -> Array:
    """(points, modes) change of the diameter, m, by each standard normal number: first the one for all vessels."""
    whole = doubts.spread.lumen_diameter
    local = [
        whole * np.sqrt(1.0 - doubts.common) * _local_modes(branch, doubts.correlation) for branch in tree.branches
    ]
    counts = [modes.shape[1] for modes in local]
    rows = np.concatenate([[0], np.cumsum([len(modes) for modes in local])])
    columns = 1 + np.concatenate([[0], np.cumsum(counts)])
    modes = np.zeros((rows[-1], columns[-1]))
    modes[:, 0] = whole * np.sqrt(doubts.common)
    for i, own in enumerate(local):
        modes[rows[i] : rows[i + 1], columns[i] : columns[i + 1]] = own
    return modes


def _local_modes(branch: Branch, correlation: float) -> Array:
    """(n, modes) of a field of variance 1 whose correlation falls with the distance as a Gaussian (Karhunen-Loève)."""
    distance = np.subtract.outer(branch.arc, branch.arc)
    values, vectors = np.linalg.eigh(np.exp(-0.5 * (distance / correlation) ** 2))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    count = int(np.searchsorted(np.cumsum(values) / values.sum(), KEPT)) + 1
    modes = vectors[:, :count] * np.sqrt(values[:count])
    return np.asarray(modes / np.sqrt((modes**2).sum(axis=1, keepdims=True)))
