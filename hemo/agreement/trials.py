"""What published trials found, to stand beside a cohort's own figures; docs/physics.md, section 5.

Every figure has the tag of how far it is trusted: ``S`` was read in the source, ``M`` (``M?``: even the digits are
uncertain) and ``C`` were not confirmed in the primary source.
"""

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = ("CT-FFR", "QFR", "angiographic FFR", "intravascular", "stenosis")
_NOT = ("M", "M?", "C")


@dataclass(frozen=True)
class Figure:
    """A published number; per cent for accuracy, sensitivity and specificity."""

    value: float
    tag: str

    @property
    def confirmed(self) -> bool:
        """Whether it was read in the source."""
        return self.tag not in _NOT


@dataclass(frozen=True)
class Trial:
    """A study: what it tested, how many, its figures by name, where they are from."""

    name: str
    family: str
    patients: int | None
    vessels: int | None
    figures: dict[str, Figure]
    source: str
    note: str = ""


def _trial(
    name: str,
    family: str,
    counts: tuple[int | None, int | None],
    tag: str,
    source: str,
    note: str = "",
    other: dict[str, str] | None = None,
    **figures: float,
) -> Trial:
    """``tag`` holds for every figure that ``other`` does not name."""
    tagged = {key: Figure(value, (other or {}).get(key, tag)) for key, value in figures.items()}
    return Trial(name, family, *counts, tagged, source, note)


_GENERAL = "general knowledge"
TRIALS = (
    _trial("DISCOVER-FLOW 2011", "CT-FFR", (103, 159), "S", "PubMed 22032711", "", {"r": "M", "bias": "M", "sd": "M"},
           accuracy=84.3, sensitivity=87.9, specificity=82.2, auc=0.90, r=0.72, bias=0.022, sd=0.116),
    _trial("DeFACTO 2012, per patient", "CT-FFR", (252, 407), "M", _GENERAL, "", {"bias": "M?"},
           accuracy=73, sensitivity=90, specificity=54, auc=0.81, r=0.63, bias=-0.058),
    _trial("NXT 2014, per vessel", "CT-FFR", (254, 484), "M", _GENERAL,
           accuracy=86, sensitivity=84, specificity=86, auc=0.93, r=0.82, bias=-0.03, sd=0.07),
    _trial("NXT 2014, per patient", "CT-FFR", (254, None), "S", "okayama.elsevierpure", auc=0.90),
    _trial("three FFRCT trials pooled", "CT-FFR", (609, 1050), "S", "PMC4652813",
           accuracy=79.2, sensitivity=82.8, specificity=77.7),
    _trial("PACIFIC 2019", "CT-FFR", (208, 505), "S", "acemap 368053082",
           "83 % of 612 vessels evaluable; AUC by intention to diagnose 0.83 a vessel",
           accuracy=87, sensitivity=90, specificity=86, auc=0.94),
    _trial("subpixel CT-FFR, 6 centres in China", "CT-FFR", (316, 324), "S", "Rev Esp Cardiol S1885585723001962",
           "grey zone 88 %, severe calcium 84 % accuracy",
           accuracy=92.0, sensitivity=95.3, specificity=89.8, auc=0.95, r=0.76),
    _trial("DEEPVESSEL-FFR 2019, per patient", "CT-FFR", (63, None), "S", "J Geriatr Cardiol",
           "SD 0.0091 as printed, implausible as a standard deviation",
           accuracy=87.3, sensitivity=97.1, specificity=75.0, auc=0.928, r=0.686, bias=-0.006),
    _trial("fast automatic CT-FFR 2019", "CT-FFR", (110, 125), "S", "Clin Radiol 2019",
           "limits of agreement -0.26 to 0.23", sensitivity=76.5, specificity=89.5, r=0.59, bias=-0.02),
    _trial("CT-FFR (PMC7116852)", "CT-FFR", (None, 60), "S", "PMC7116852",
           accuracy=76.7, sensitivity=73.9, specificity=78.4, auc=0.83, r=0.64, bias=0.059, sd=0.110),
    _trial("CT-muFR in stents 2026", "CT-FFR", (45, 57), "C", "secondary note", accuracy=80.7),
    _trial("FFR-QCA, Tu 2014", "QFR", (68, 77), "M", _GENERAL,
           accuracy=88, sensitivity=78, specificity=93, auc=0.93, r=0.81, bias=0.0, sd=0.06),
    _trial("FAVOR pilot 2016, fQFR", "QFR", (73, 84), "M", _GENERAL,
           accuracy=80, sensitivity=67, specificity=85, auc=0.88, r=0.69, bias=0.003, sd=0.068),
    _trial("FAVOR pilot 2016, cQFR", "QFR", (73, 84), "M", _GENERAL,
           accuracy=86, sensitivity=74, specificity=91, auc=0.92, r=0.77, bias=0.001, sd=0.059),
    _trial("FAVOR pilot 2016, aQFR", "QFR", (73, 84), "M", _GENERAL,
           accuracy=87, sensitivity=78, specificity=91, auc=0.91, r=0.72, bias=-0.001, sd=0.065),
    _trial("FAVOR II China 2017", "QFR", (308, 332), "M", "accuracy: citoday", "", {"accuracy": "S"},
           accuracy=92.7, sensitivity=94.6, specificity=91.7, auc=0.96, r=0.86, bias=-0.01, sd=0.06),
    _trial("FAVOR II Europe-Japan 2018", "QFR", (272, 317), "M", _GENERAL,
           accuracy=86.8, sensitivity=86.5, specificity=86.9, auc=0.92, r=0.83, bias=0.01, sd=0.06),
    _trial("WIFI II 2018", "QFR", (172, 240), "M", _GENERAL,
           accuracy=83, sensitivity=77, specificity=86, auc=0.86, r=0.70, bias=0.01, sd=0.08),
    _trial("cQFR, single-centre all-comers 2022", "QFR", (544, 626), "S", "PubMed 35662563",
           accuracy=91, sensitivity=82, specificity=95, auc=0.938, r=0.830),
    _trial("QFR meta-analysis, 9 studies", "QFR", (None, None), "S", "PMC6500690",
           sensitivity=90, specificity=88, auc=0.92),
    _trial("QFR meta-analysis 2026", "QFR", (None, None), "S", "PMC12922042",
           sensitivity=82.6, specificity=91.9, auc=0.94),
    _trial("PACIFIC-2, QFR in prior CAD", "QFR", (166, 334), "S", "PubMed 37578007", "feasible in 68 %",
           accuracy=84, sensitivity=72, specificity=87, auc=0.89),
    _trial("muQFR, Tu 2021", "QFR", (306, 330), "M", _GENERAL,
           accuracy=93.0, sensitivity=87.5, specificity=96.2, auc=0.97, r=0.90, bias=0.0, sd=0.05),
    _trial("FAST II, vFFR", "angiographic FFR", (334, None), "S", "EIJ-D-21-00471", "",
           {"accuracy": "M", "sensitivity": "M", "specificity": "M"},
           accuracy=90, sensitivity=81, specificity=95, auc=0.93, r=0.74, bias=0.0029, sd=0.0642),
    _trial("FAST, vFFR", "angiographic FFR", (100, 100), "M", _GENERAL, auc=0.93, r=0.89, bias=0.0, sd=0.04),
    _trial("FAST-FFR 2019, FFRangio", "angiographic FFR", (301, 319), "S", "ACC, Stanford",
           "87 % accurate from 0.75 to 0.85", {"auc": "M"},
           accuracy=92, sensitivity=94, specificity=91, auc=0.94, r=0.80),
    _trial("OFR, Yu 2019", "intravascular", (118, 125), "M?", _GENERAL,
           accuracy=90, sensitivity=87, specificity=92, auc=0.93, r=0.70, bias=-0.01, sd=0.07),
    _trial("diameter stenosis of 50 % (QCA), Toth 2014", "stenosis", (2986, 4086), "S", "Eur Heart J 35:2831",
           "what no computation at all reaches", accuracy=64, sensitivity=61, specificity=67, r=-0.38),
)


def chosen(families: tuple[str, ...]) -> tuple[Trial, ...]:
    """The trials of these families; the stenosis alone always stands with them."""
    return tuple(one for one in TRIALS if one.family in families or (families and one.family == "stenosis"))
