"""The results as tables, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterable

from hemo.outcome.analysis import Analysis
from hemo.outcome.describing import ALL, Description
from hemo.outcome.models import EventModels
from hemo.outcome.serial import Serial
from hemo.outcome.tabletext import Row, Table
from hemo.outcome.thresholds import ThresholdStudy
from hemo.outcome.trial import Comparison, Trial


def tables(found: Analysis) -> list[Table]:
    """Everything that is told, in the order of the page."""
    made = []
    if found.description is not None:
        made += description_tables(found.description)
    if found.models is not None:
        event = found.study.event
        assert event is not None
        made += model_tables(found.models, event.method)
    for one in found.serial:
        made += serial_tables(one)
    if found.trial is not None:
        made += trial_tables(found.trial)
    for each in found.thresholds:
        made += threshold_tables(each)
    return [table for table in made if table.rows]


def description_tables(found: Description) -> list[Table]:
    """Columns by group, rank correlations, events by two categories."""
    rows = []
    for one in found.described:
        group = one.group if one.group == ALL else f"{found.group} = {one.group}"
        head = {"column": one.column, "group": group, "rows": one.rows, "missing": one.missing}
        if one.counts is None:
            low, high = one.quartiles or (None, None)
            spread = {"mean": one.mean, "sd": one.sd, "median": one.median, "quartile_1": low, "quartile_3": high}
            rows.append(head | {"category": None, "count": None, "percent": None} | spread)
            continue
        empty: Row = dict.fromkeys(("mean", "sd", "median", "quartile_1", "quartile_3"))
        total = max(sum(one.counts.values()), 1)
        rows += [
            head | {"category": name, "count": count, "percent": 100.0 * count / total} | empty
            for name, count in one.counts.items()
        ]
    rows = [row | {"p": found.p[str(row["column"])] if row["group"] == ALL else None} for row in rows]
    pairs = [
        {"column": a, "with": b, "spearman": float(found.correlations[i, j]), "rows": int(found.pairs[i, j])}
        for i, a in enumerate(found.numeric)
        for j, b in enumerate(found.numeric)
        if i < j
    ]
    first, second = found.cross or ("", "")
    cells = [
        {first: one.row, second: one.column, "rows": one.rows, "events": one.events, "share": one.share}
        for one in found.cells
    ]
    return [
        Table("joint_summary", "The joint table", tuple(rows)),
        Table("correlations", "Rank correlations", tuple(pairs), "Spearman's, of the rows that have both."),
        Table("events_by_category", "Events by two categories", tuple(cells), "Wilson's intervals; rows taken alone."),
    ]


def model_tables(found: EventModels, method: str) -> list[Table]:
    """Ratios, validation, comparisons, calibration."""
    ratio = "hazard_ratio" if method == "cox" else "odds_ratio"
    ratios, performance, calibration = [], [], []
    for one in found.results:
        proportional = one.proportional_p if len(one.proportional_p) else [None] * len(one.predictors)
        for name, step, value, p in zip(one.predictors, one.per, one.ratios, proportional, strict=True):
            row = {"model": one.name, "predictor": name, "per": step, ratio: value, "proportional_hazards_p": p}
            ratios.append(row if method == "cox" else {key: row[key] for key in list(row)[:-1]})
        performance.append(
            {
                "model": one.name,
                "events_per_parameter": one.events_per_parameter,
                "apparent": one.apparent["discrimination"],
                "optimism": one.optimism["discrimination"],
                "corrected": one.discrimination,
                "cross_validated": one.cross_validated["discrimination"],
                "slope_corrected": one.corrected["slope"],
                "slope_cross_validated": one.cross_validated["slope"],
                "intercept_cross_validated": one.intercept,
                "observed_over_expected": one.cross_validated["observed_over_expected"],
                "brier_corrected": one.corrected["brier"],
                "brier_cross_validated": one.cross_validated["brier"],
            }
        )
        curve = one.calibration
        calibration += [
            {"model": one.name, "rows": int(rows), "predicted": float(predicted), "observed": observed}
            for rows, predicted, observed in zip(curve.rows, curve.predicted, curve.observed, strict=True)
        ]
    counted = f"{found.rows} rows of {found.patients} patients, {found.events} events in {found.patients_with_event}."
    which = "Harrell's C" if method == "cox" else "AUC"
    note = f"{which}: apparent, corrected for optimism by bootstrap of patients, and cross-validated."
    return [
        Table("model_ratios", "Models of the event", tuple(ratios), counted),
        Table("model_performance", "Discrimination and calibration", tuple(performance), note),
        Table("model_comparisons", "What each model adds", tuple(_comparisons(found))),
        Table("calibration", "Calibration", tuple(calibration), "Cross-validated predictions, groups of equal size."),
    ]


def _comparisons(found: EventModels) -> Iterable[Row]:
    for one in found.comparisons:
        again = one.reclassification
        yield {
            "model": one.name,
            "against": one.against,
            "gain": one.gain,
            "added": ", ".join(one.added),
            "test": one.test,
            "p": one.p,
            "adjusted_p": one.adjusted_p,
            "net_reclassification": None if again is None else again.net,
            "of_those_with_event": None if again is None else again.with_event,
            "of_those_without": None if again is None else again.without_event,
            "integrated_discrimination": None if again is None else again.integrated,
        }


def serial_tables(found: Serial) -> list[Table]:
    """Levels, changes and contrasts of a table over time."""
    levels = [
        {
            "measure": one.measure,
            "group": one.group,
            "time": one.time,
            "rows": one.rows,
            "missing": one.missing,
            "mean": one.mean,
            "sd": one.sd,
            "median": one.median,
            "quartile_1": one.quartiles[0],
            "quartile_3": one.quartiles[1],
            "above_gate": one.above,
        }
        for one in found.levels
    ]
    changes = [
        {
            "measure": one.measure,
            "group": one.group,
            "time": one.time,
            "pairs": one.pairs,
            "change": one.mean,
            "signed_rank_p": one.signed_rank_p,
            "gained_gate": one.gained,
            "lost_gate": one.lost,
            "gate_p": one.gate_p,
        }
        for one in found.changes
    ]
    contrasts = [
        {
            "measure": one.measure,
            "group": f"{one.group} less {one.reference}",
            "time": one.time,
            "difference": one.level,
            "rank_p": one.rank_p,
            "difference_of_change": one.change,
            "adjusted_for_baseline": one.adjusted,
            "difference_above_gate": one.above,
        }
        for one in found.contrasts
    ]
    note = "Variances robust to patients with several places." if found.clustered else ""
    return [
        Table(f"serial_{found.name}_levels", f"{found.name}: levels", tuple(levels)),
        Table(f"serial_{found.name}_changes", f"{found.name}: changes from {found.order[0]}", tuple(changes), note),
        Table(f"serial_{found.name}_contrasts", f"{found.name}: between groups", tuple(contrasts), note),
    ]


def trial_tables(found: Trial) -> list[Table]:
    """Arms compared in every population, and who crossed over."""
    rows = [_trial_row(found, one) for one in found.comparisons]
    crossed = []
    if found.crossover is not None:
        for place, arm in enumerate(found.arms):
            counts = {f"received {name}": int(found.crossover[place, k]) for k, name in enumerate(found.arms)}
            crossed.append({"assigned": arm} | counts | {"crossed_over": int(found.crossover[place, 1 - place])})
    note = (
        f"{found.randomised} patients were assigned. The difference is of Kaplan-Meier risks at the horizon, "
        f"{found.arms[1]} less {found.arms[0]}; its variance is Greenwood's."
    )
    later = f"{found.crossover_times} crossed over during follow-up, at a known time." if found.crossover_times else ""
    return [
        Table("trial", f"{found.arms[1]} against {found.arms[0]}", tuple(rows), note),
        Table("crossover", "Crossover", tuple(crossed), later),
    ]


def _trial_row(found: Trial, one: Comparison) -> Row:
    difference, ratio = one.by_difference, one.by_ratio
    return {
        "population": one.name,
        f"patients {found.arms[0]}": one.patients[0],
        f"patients {found.arms[1]}": one.patients[1],
        f"events {found.arms[0]}": one.events[0],
        f"events {found.arms[1]}": one.events[1],
        f"risk {found.arms[0]}": one.risk.reference,
        f"risk {found.arms[1]}": one.risk.tested,
        "risk_difference": one.risk.difference,
        "hazard_ratio": None if one.ratio is None else one.ratio.ratio,
        "log_rank_p": None if one.ratio is None else one.ratio.log_rank_p,
        "margin_difference": None if difference is None else difference.margin,
        "non_inferior_difference": None if difference is None else difference.non_inferior,
        "p_non_inferior_difference": None if difference is None else difference.p,
        "margin_ratio": None if ratio is None else ratio.margin,
        "non_inferior_ratio": None if ratio is None else ratio.non_inferior,
        "p_non_inferior_ratio": None if ratio is None else ratio.p,
    }


def threshold_tables(found: ThresholdStudy) -> list[Table]:
    """Thresholds by group, and how they differ."""
    rows = []
    for one in found.results:
        head = {"group": one.group, "rows": one.rows, "patients": one.patients, "positive": one.positive}
        parts: Row = {"threshold": one.threshold}
        for kind, scores in (("chosen", one.chosen), ("fixed", one.fixed)):
            parts |= {f"{kind}_{key}": scores.get(key) for key in ("sensitivity", "specificity", "accuracy")}
        rows.append(head | parts | {"gain_in_accuracy": one.gain, "note": one.note})
    differences = [
        {
            "subgroup": one.subgroup,
            "level": f"{one.level} less {one.first}",
            "difference": one.difference,
            "adjusted_p": one.adjusted_p,
        }
        for one in found.differences
    ]
    note = "chosen: thresholds judged on other patients than they were chosen on; fixed: the declared threshold."
    return [
        Table(f"threshold_{found.name}", f"Threshold: {found.name}", tuple(rows), note),
        Table(f"threshold_{found.name}_subgroups", f"Threshold: {found.name}, subgroups", tuple(differences)),
    ]
