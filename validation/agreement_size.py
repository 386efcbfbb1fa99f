"""How often the tests of ``hemo agree`` see a difference where there is none: 1,000 simulated cohorts of each kind.

Cohorts are those of ``agreement_coverage``, but the two methods err alike and the subgroups are drawn by lot, one for
whole patients and one for single vessels. A test at 5 % must reject in 3 to 7 % of the cohorts of every kind; those
that take vessels as independent are shown, not asked.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hemo.agreement.cohort import Cohort, Grouping, Index, Rule
from hemo.agreement.paired import paired_difference
from hemo.agreement.roc import areas, compare
from hemo.agreement.subgroups import MEASURES, subgroups
from validation.agreement_coverage import COHORTS, CUTOFF, KINDS, Kind, cohort
from validation.table import Table, publish

ASKED = (0.03, 0.07)


def p_values(kind: Kind, seed: int) -> dict[str, float]:
    """Name of a test -> p in one cohort; a name that begins with an asterisk is not asked."""
    code, ffr, (first, second, _) = cohort(kind, seed)
    count, true = kind.patients, ffr <= CUTOFF
    area = compare(areas(-np.stack([first, second]), true, code, count))
    right = [(one <= CUTOFF) == true for one in (first, second)]
    accuracy = paired_difference("accuracy", right[0], right[1], code, count)
    found = {
        "two areas, Obuchowski": area.p,
        "*two areas, DeLong (vessels independent)": area.delong_p,
        "two accuracies, Obuchowski": accuracy.clustered_p,
        "*two accuracies, McNemar (vessels independent)": accuracy.mcnemar_p,
    }
    random = np.random.default_rng([seed, 1])
    lots = {"patients": random.integers(2, size=count)[code], "vessels": random.integers(3, size=len(code))}
    groupings = tuple(Grouping(name, ("a", "b", "c")[: lot.max() + 1], lot, True) for name, lot in lots.items())
    rule = Rule(CUTOFF)
    study = Cohort("vessel", code, Index("ffr", ffr, rule), Index("method", first, rule), None, groupings)
    for group in subgroups(study, study.computed):
        found |= {f"interaction of {name}, groups of {group.name}": group.interaction[name].p for name in MEASURES}
    return found


def rejections(kind: Kind) -> dict[str, float]:
    """Name of a test -> share of the cohorts in which p is at most 0.05."""
    alike = replace(kind, methods=(kind.methods[0], kind.methods[0]))
    found: dict[str, int] = {}
    for seed in range(COHORTS):
        for name, p in p_values(alike, seed).items():
            found[name] = found.get(name, 0) + bool(p <= 0.05)
    return {name: number / COHORTS for name, number in found.items()}


def main() -> None:
    """Table: how often each test rejects; fails if one that is asked does so too rarely or too often."""
    found = {kind.name: rejections(kind) for kind in KINDS}
    rows, wrong = [], []
    for name in found[KINDS[0].name]:
        shares = [found[kind.name][name] for kind in KINDS]
        out = [not name.startswith("*") and not ASKED[0] <= share <= ASKED[1] for share in shares]
        wrong += [f"{name}, {kind.name}" for kind, bad in zip(KINDS, out, strict=True) if bad]
        cells = (f"{100 * share:.1f} %{' !' * bad}" for share, bad in zip(shares, out, strict=True))
        rows.append((name.lstrip("*") + (" (not asked)" if name.startswith("*") else ""), *cells))
    note = (
        f"Share of {COHORTS:,} cohorts without a difference in which p is at most 0.05; asked: {100 * ASKED[0]:.0f} to "
        f"{100 * ASKED[1]:.0f} %. Groups by lot: two of patients, three of vessels."
    )
    publish(Table("agreement_size", ("test", *found), tuple(rows), note))
    if wrong:
        raise SystemExit(f"{len(wrong)} tests reject outside {ASKED[0]} to {ASKED[1]}: {'; '.join(wrong)}")


if __name__ == "__main__":
    main()
