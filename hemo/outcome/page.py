"""The result folder of ``hemo outcome``: ``report.html``, tables as CSV, figures as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hemo.files import file_name, write_json
from hemo.outcome.analysis import Analysis
from hemo.outcome.models import EventModels
from hemo.outcome.pictures import (
    calibration_figure,
    forest,
    roc_figure,
    serial_figure,
    survival_figure,
    threshold_figure,
)
from hemo.outcome.study import EventSection, TrialSection
from hemo.outcome.tabletext import cell, write_csv
from hemo.outcome.telling import tables
from hemo.outcome.trial import Trial
from hemo.pagefile import write_template
from hemo.pictures import kept


@dataclass(frozen=True)
class Figure:
    """A drawing, its file's name and what stands below it."""

    name: str
    caption: str
    drawing: str


def write_folder(folder: Path, found: Analysis, told: dict[str, Any]) -> None:
    """Write ``summary.json``, ``report.html``, ``tables/*.csv`` and ``figures/*.svg`` into a folder."""
    for name in ("tables", "figures"):
        (folder / name).mkdir(exist_ok=True)
    write_json(folder / "summary.json", told)
    made = tables(found)
    for table in made:
        write_csv(folder / "tables" / f"{file_name(table.name)}.csv", table.rows)
    found.joined.frame.to_csv(folder / "tables" / "joint.csv", index=False)
    for one in found.serial:
        one.rows.to_csv(folder / "tables" / f"{file_name(f'serial_{one.name}')}.csv", index=False)
    drawn = figures(found)
    inside = [(one.caption, kept(folder / "figures" / f"{file_name(one.name)}.svg", one.drawing)) for one in drawn]
    write_template(
        folder / "report.html",
        "outcome.html",
        {"told": told, "tables": made, "figures": inside},
        cell=lambda pair: cell(*pair),
        words=lambda key: str(key).replace("_", " "),
    )


def figures(found: Analysis) -> list[Figure]:
    """Everything that is drawn."""
    study = found.study
    made = [] if found.trial is None or study.trial is None else _of_trial(found.trial, study.trial)
    if found.models is not None and study.event is not None and found.models.results:
        made += _of_models(found.models, study.event)
    made += [
        Figure(f"serial_{one.name}", f"{one.name}: mean and 95 % interval.", serial_figure(one, section))
        for one, section in zip(found.serial, study.serial, strict=True)
    ]
    made += [
        Figure(f"threshold_{one.name}", f"Threshold: {one.name}.", threshold_figure(one, section))
        for one, section in zip(found.thresholds, study.thresholds, strict=True)
    ]
    return made


def _of_trial(found: Trial, section: TrialSection) -> list[Figure]:
    compared = found.comparisons
    made = [
        Figure(f"survival_{one.name}", f"{one.name.capitalize()}.", survival_figure(one, found.arms, section))
        for one in compared
    ]
    label = f"risk difference at {section.horizon:g} {section.unit}, {found.arms[1]} less {found.arms[0]}"
    drawn = forest([(one.name, one.risk.difference) for one in compared], label, 0.0, section.margin_risk_difference)
    made.append(Figure("risk_difference", "Absolute risk difference.", drawn))
    ratios = [(one.name, one.ratio.ratio) for one in compared if one.ratio is not None]
    if ratios:
        label = f"hazard ratio, {found.arms[1]} over {found.arms[0]}"
        drawn = forest(ratios, label, 1.0, section.margin_hazard_ratio)
        made.append(Figure("hazard_ratio", "Hazard ratio.", drawn))
    return made


def _of_models(found: EventModels, section: EventSection) -> list[Figure]:
    last = found.results[-1]
    named = [
        (name if step == 1.0 else f"{name}, per {step:g}", ratio)
        for name, step, ratio in zip(last.predictors, last.per, last.ratios, strict=True)
    ]
    kind = "hazard ratio" if section.method == "cox" else "odds ratio"
    made = [
        Figure("ratios", f"The model {last.name}.", forest(named, kind, 1.0)),
        Figure("calibration", "Calibration, cross-validated.", calibration_figure(found, section)),
    ]
    if section.method == "logistic":
        made.append(Figure("roc", "ROC, cross-validated.", roc_figure(found)))
    return made
