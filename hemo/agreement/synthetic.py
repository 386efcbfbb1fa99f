"""``python -m hemo.agreement.synthetic TABLE.csv``: a table of a study that nobody made, to try ``hemo agree`` on.

Every number is drawn: a patient's vessels share part of their FFR and of the methods' errors, CT-FFR cannot be computed
in some vessels, some have no wire, and severe calcium makes CT-FFR read low.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

COLUMNS = ("patient", "vessel", "ffr", "ct_ffr", "qfr", "reason", "sex", "diabetes", "calcium_score", "stent")
VESSELS = ("LAD", "LCX", "RCA")


def rows(patients: int = 250, seed: int = 7) -> list[tuple[str, ...]]:
    """Rows of the table, as text, without its header."""
    random = np.random.default_rng(seed)
    made: list[tuple[str, ...]] = []
    for number in range(patients):
        sex, diabetes = random.choice(["female", "male"], p=[0.3, 0.7]), random.choice(["no", "yes"], p=[0.7, 0.3])
        calcium = float(np.round(random.lognormal(4.6, 1.6)))
        shared = random.normal(size=3)
        for vessel in random.permutation(VESSELS)[: random.choice([1, 2, 3], p=[0.55, 0.3, 0.15])]:
            own = random.normal(size=3)
            ffr = min(1.0, 0.83 + 0.06 * shared[0] + 0.08 * own[0])
            ct_ffr = ffr - 0.01 - 0.03 * (calcium > 400) + 0.045 * shared[1] + 0.055 * own[1]
            qfr = ffr + 0.03 * shared[2] + 0.05 * own[2]
            failed = random.random() < 0.07 + 0.08 * (calcium > 400)
            reason = str(random.choice(["motion", "blooming calcium", "noise"])) if failed else ""
            stent = "yes" if random.random() < 0.12 else "no"
            cells = [f"{min(max(value, 0.25), 1.0):.2f}" for value in (ffr, ct_ffr, qfr)]
            cells[0] = "" if random.random() < 0.03 else cells[0]
            cells[1] = "" if failed else cells[1]
            cells[2] = "" if random.random() < 0.05 else cells[2]
            known = f"{calcium:.0f}" if random.random() > 0.04 else ""
            made.append((f"P{number + 1:04d}", str(vessel), *cells, reason, str(sex), str(diabetes), known, stent))
    return made


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(prog="python -m hemo.agreement.synthetic", description="Write an example table.")
    parser.add_argument("table", type=Path)
    parser.add_argument("--patients", type=int, default=250)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with open(given.table, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(rows(given.patients, given.seed))


if __name__ == "__main__":
    main()
