"""Validation of several models at once: the same samples of patients and the same folds for all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from hemo.outcome.estimates import Estimate, around, bootstrap, from_draws
from hemo.outcome.fitting import Fitted, NotFitted, Sample, fit
from hemo.outcome.performance import MEASURES, Predicted, Reclassification, measures, reclassified
from hemo.outcome.study import EventSection, StudySection

Array = NDArray[Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validation:
    """Everything that was predicted: the first repeat's predictions for every row, and measures of every resample.

    ``own`` and ``original`` hold, by model, measures (resamples, 4) of the models refitted in each resample, on it and
    on the original rows; the resamples are the same for all models.
    """

    section: EventSection
    whole: Sample
    columns: Mapping[str, list[str]]
    seed: int
    resamples: int
    own: Mapping[str, Array]
    original: Mapping[str, Array]
    crossed: Mapping[str, Mapping[str, float]]
    unseen: Mapping[str, Predicted]

    @staticmethod
    def of(sample: Sample, columns: Mapping[str, list[str]], section: EventSection, study: StudySection) -> Validation:
        """Validate the models whose columns are given."""
        own, original = optimism(sample, columns, section, study.model_resamples, study.seed)
        crossed, unseen = {}, {}
        folds = folds_of(sample, section, study.seed)
        for name, chosen in columns.items():
            log.info("cross-validating %s", name)
            parts = [unseen_predictions(sample.columns(chosen), fold, section) for fold in folds]
            rows = [measures(found, fold) for found, fold in zip(parts, folds, strict=True)]
            crossed[name] = {key: float(np.nanmean([row[key] for row in rows])) for key in MEASURES}
            unseen[name] = parts[0]
        counts = (study.seed, study.resamples)
        return Validation(section, sample, columns, *counts, own, original, crossed, unseen)

    def gain(self, name: str, against: str, value: float) -> Estimate:
        """Of corrected discrimination, on the same resamples."""
        own = self.own[name][:, 0] - self.own[against][:, 0]
        lost = own - (self.original[name][:, 0] - self.original[against][:, 0])
        gain = value - float(np.nanmean(lost))
        return around(gain, own)

    def reclassification(self, name: str, against: str) -> Reclassification | None:
        """Of cross-validated predictions of logistic models."""
        if self.section.method != "logistic":
            return None
        event, before, after = self.whole.event, self.unseen[against].risk, self.unseen[name].risk
        told = reclassified(event, before, after)
        draws = bootstrap(
            lambda rows: reclassified(event[rows], before[rows], after[rows]),
            self.whole.patients,
            self.resamples,
            self.seed,
        )
        return Reclassification(*(from_draws(float(told[k]), draws[:, k]) for k in range(4)))


def predicted(fitted: Fitted, sample: Sample, horizon: float | None) -> Predicted:
    """What a model says of rows."""
    return Predicted(fitted.method, sample, fitted.linear(sample.x), fitted.risk(sample.x, horizon), horizon)


def optimism(
    sample: Sample, columns: Mapping[str, list[str]], section: EventSection, resamples: int, seed: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Measures of models refitted on samples of patients: on the sample, and on the original rows (Harrell 1996)."""
    rng = np.random.default_rng(seed)
    own: dict[str, Array] = {name: np.full((resamples, len(MEASURES)), np.nan) for name in columns}
    original: dict[str, Array] = {name: np.full((resamples, len(MEASURES)), np.nan) for name in columns}
    for number in range(resamples):
        drawn = sample.rows(sample.patients.draw(rng))
        if number % 20 == 0:
            log.info("bootstrap sample %d of %d", number + 1, resamples)
        for name, chosen in columns.items():
            try:
                again = fit(section.method, drawn.columns(chosen))
            except NotFitted:
                continue
            for target, rows in ((own, drawn), (original, sample)):
                told = measures(predicted(again, rows.columns(chosen), section.horizon), own=rows is drawn)
                target[name][number] = [told[key] for key in MEASURES]
    return own, original


def folds_of(sample: Sample, section: EventSection, seed: int) -> list[Array]:
    """(repeats) of (n,) folds: a patient's rows share one, the event is spread evenly."""
    least = min(len(np.unique(sample.patients.code[sample.event == happened])) for happened in (True, False))
    count = min(section.folds, least)
    folds: list[Array] = []
    for repeat in range(section.repeats):
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed + repeat)
        fold = np.zeros(len(sample.event), int)
        for number, (_, test) in enumerate(splitter.split(sample.x, sample.event, sample.patients.code)):
            fold[test] = number
        folds.append(fold)
    return folds


def unseen_predictions(sample: Sample, fold: Array, section: EventSection) -> Predicted:
    """Predictions for every row by the model fitted on the other folds; the mean of the others where it has no fit."""
    linear, risk = np.zeros(len(fold)), np.zeros(len(fold))
    for number in np.unique(fold):
        test = fold == number
        try:
            again = fit(section.method, sample.rows(~test))
        except NotFitted:
            risk[test] = float(sample.event[~test].mean())
            linear[test] = np.log(risk[test] / (1.0 - risk[test])) if section.method == "logistic" else 0.0
            continue
        linear[test], risk[test] = again.linear(sample.x[test]), again.risk(sample.x[test], section.horizon)
    return Predicted(section.method, sample, linear, risk, section.horizon)
