"""Published dimensions of human coronary arteries, and hearts drawn from them.

Calibres (mean and standard deviation, mm) are those of normal men, women 9 % less, by dominance: Dodge et al.
1992, Circulation 86:232. Lengths: left main, and the angles of the main bifurcations, Medrano-Gracia et al. 2016,
EuroIntervention 12:845 (CT, 300 adults); LAD 100 to 130 mm, LCX that is not dominant 60 to 80 mm, RCA to the crux
120 to 140 mm, Waller et al. 1992, Clin Cardiol 15:451, taken as two standard deviations about the middle.
At a bifurcation d_m^(7/3) = d_1^(7/3) + d_2^(7/3) (Huo and Kassab 2012, J R Soc Interface 9:1174), with scatter;
between bifurcations a vessel tapers exponentially to its end calibre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MM = 1e-3
EXPONENT = 7.0 / 3.0
# Shares of right, left and balanced dominance (Waller et al. 1992: 85, 8 and 7 %).
DOMINANCE = {"right": 0.85, "left": 0.08, "balanced": 0.07}
WOMEN = 0.91
# Proximal calibre, mm: mean and standard deviation, by dominance (Dodge et al. 1992).
LAD_CALIBRE = {"right": (3.7, 0.4), "left": (3.7, 0.4), "balanced": (3.7, 0.4)}
LCX_CALIBRE = {"right": (3.4, 0.5), "left": (4.2, 0.6), "balanced": (3.6, 0.5)}
RCA_CALIBRE = {"right": (3.9, 0.6), "left": (2.8, 0.5), "balanced": (3.4, 0.6)}
LM_LENGTH = (10.5, 5.3)
LAD_LENGTH = (115.0, 7.5)
LCX_LENGTH = (70.0, 5.0)
RCA_LENGTH = (130.0, 5.0)
# Angle between LAD and LCX, degrees, without and with an intermediate branch (Medrano-Gracia et al. 2016).
FORK_ANGLE = {False: (75.0, 23.0), True: (89.0, 21.0)}
# Angle between the LM's direction and the LAD over the whole fork: 37 of 87 degrees (Moon et al. 2018, PLoS One
# 13:e0202249; Med. LM-LCX 130 degrees, i.e. 50, of the J Invasive Cardiol 2015 27:401 series).
FORK_SHARE_LAD = 0.43


@dataclass(frozen=True)
class GeneratorOptions:
    """What is drawn.

    Attributes
    ----------
    lesions
        Least and greatest number of lesions in each tree.
    severity
        Range of the diameter fraction lost (area-equivalent).
    lesion_length
        Range, m.
    nodules
        Share of lesions that are a calcified nodule, an eccentric bump.
    tortuosity
        Factor on the random bends: 0 gives smooth courses, 1 ordinary ones.
    murray_scatter
        Standard deviation of the logarithm of the calibre after a bifurcation about Huo and Kassab's.
    gap
        Least distance between the walls of vessels that do not branch from each other, m.
    end_calibre
        Range of the diameter where a vessel ends, m.
    septals
        Whether the LAD gives one or two septal branches.
    kissing
        Bend one side branch of each tree against a neighbour for some millimetres, where two come within 15 mm;
        ``SyntheticVessels.contacts`` tells where.
    """

    lesions: tuple[int, int] = (0, 4)
    severity: tuple[float, float] = (0.20, 0.85)
    lesion_length: tuple[float, float] = (4e-3, 30e-3)
    nodules: float = 0.25
    tortuosity: float = 1.0
    murray_scatter: float = 0.03
    gap: float = 1.2e-3
    end_calibre: tuple[float, float] = (1.0e-3, 2.0e-3)
    septals: bool = False
    kissing: bool = False


@dataclass(frozen=True)
class SideBranch:
    """A branch to grow: where it leaves its parent, how large and long, and where it heads.

    ``place`` is a fraction of the parent's length, ``ratio`` the calibre over the parent's before the bifurcation,
    ``angle`` in degrees between the two, ``towards`` (nothing: into the septum) in degrees of phi relative to the
    take-off and of psi (None: that of the take-off).
    """

    name: str
    parent: str
    place: float
    ratio: float
    length: float
    end_calibre: float
    angle: float
    towards: tuple[tuple[float, float | None], ...] = ()


@dataclass(frozen=True)
class HeartPlan:
    """One person's dimensions, m and degrees."""

    dominance: str
    female: bool
    size: float
    lm_length: float
    lad_calibre: float
    lcx_calibre: float
    rca_calibre: float
    lad_length: float
    lcx_length: float
    rca_length: float
    fork_angle: float
    intermediate: bool
    aorta_radius: float


def draw_plan(rng: np.random.Generator) -> HeartPlan:
    """One person.

    The intermediate branch occurs in 0.2 of people (Medrano-Gracia et al. 2016 give 0.19 to 0.25 for CT series);
    the ascending aorta measures 33 mm across (SD 4 mm; Wolak et al. 2008, JACC Cardiovasc Imaging 1:200).
    """
    dominance = str(rng.choice(list(DOMINANCE), p=list(DOMINANCE.values())))
    female = bool(rng.random() < 0.5)
    scale = WOMEN if female else 1.0
    intermediate = bool(rng.random() < 0.2)
    # The dominant vessel reaches the crux; of the other one that part is missing.
    lcx = (LCX_LENGTH[0] + {"right": 0.0, "balanced": 20.0, "left": 50.0}[dominance], LCX_LENGTH[1])
    rca = (RCA_LENGTH[0] - {"right": 0.0, "balanced": 0.0, "left": 45.0}[dominance], RCA_LENGTH[1])
    return HeartPlan(
        dominance=dominance,
        female=female,
        size=clipped(rng, 1.0, 0.05, 0.9, 1.1) * (0.96 if female else 1.02),
        lm_length=MM * clipped(rng, *LM_LENGTH, 6.0, 22.0),
        lad_calibre=MM * scale * clipped(rng, *LAD_CALIBRE[dominance]),
        lcx_calibre=MM * scale * clipped(rng, *LCX_CALIBRE[dominance]),
        rca_calibre=MM * scale * clipped(rng, *RCA_CALIBRE[dominance]),
        lad_length=MM * clipped(rng, *LAD_LENGTH),
        lcx_length=MM * clipped(rng, *lcx),
        rca_length=MM * clipped(rng, *rca),
        fork_angle=clipped(rng, *FORK_ANGLE[intermediate], 50.0, 120.0),
        intermediate=intermediate,
        aorta_radius=MM * clipped(rng, 33.0, 4.0, 26.0, 40.0) / 2.0,
    )


def clipped(
    rng: np.random.Generator, mean: float, spread: float, low: float | None = None, high: float | None = None
) -> float:
    """A normal value within two standard deviations of the mean, or within the limits given."""
    low = mean - 2.0 * spread if low is None else low
    high = mean + 2.0 * spread if high is None else high
    while True:
        value = float(rng.normal(mean, spread))
        if low <= value <= high:
            return value


def mother(*daughters: float) -> float:
    """Calibre of the vessel that feeds the given ones (Huo and Kassab)."""
    return float(np.sum(np.power(daughters, EXPONENT)) ** (1.0 / EXPONENT))


def rest_after(ratio: float) -> float:
    """Calibre after a bifurcation over that before it, where the side branch takes ``ratio`` of it."""
    return float((1.0 - ratio**EXPONENT) ** (1.0 / EXPONENT))
