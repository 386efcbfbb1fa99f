"""Two arms in time: by intention to treat, as treated and per protocol; crossover counted; non-inferiority."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hemo.errors import InputError
from hemo.outcome.joining import JOINT, Joined
from hemo.outcome.study import TrialSection
from hemo.outcome.survival import Difference, Episodes, Ratio, hazard_ratio, risk_difference
from hemo.outcome.tables import binary, listed, numbers

Array = NDArray[Any]
INTENTION, TREATED, PROTOCOL, WORST = "intention to treat", "as treated", "per protocol", "missing taken as worst"


@dataclass(frozen=True)
class Verdict:
    """A test against a margin: one-sided p-value, upper bound of the interval of 1 - 2 alpha, the answer."""

    margin: float
    p: float
    upper: float
    non_inferior: bool


@dataclass(frozen=True)
class Comparison:
    """The arms compared in one population.

    Attributes
    ----------
    patients, events
        (2,) in the reference and the arm tested; a patient who crossed over during follow-up counts in both.
    crossed
        Patients who count under two treatments.
    """

    name: str
    episodes: Episodes
    patients: tuple[int, int]
    events: tuple[int, int]
    crossed: int
    risk: Difference
    ratio: Ratio | None
    by_difference: Verdict | None
    by_ratio: Verdict | None


@dataclass(frozen=True)
class Trial:
    """What a trial says.

    Attributes
    ----------
    arms
        The reference, then the arm tested.
    crossover
        Rows assigned, columns received: counts of patients; None where no treatment received is declared.
    missing
        Patients without arm, event or time, counted by column.
    early
        (2,) patients of each arm whose follow-up ended before the horizon without the event.
    """

    arms: tuple[str, str]
    crossover: Array | None
    crossover_times: int
    missing: dict[str, int]
    randomised: int
    early: tuple[int, int]
    comparisons: tuple[Comparison, ...]


def trial(joined: Joined, section: TrialSection) -> Trial:
    """Compare two arms.

    Raises
    ------
    InputError
        If a column is lacking or differs within a patient, or holds another arm, another event or a negative time.
    """
    frame, missing = _patients(joined, section)
    known = frame.dropna(subset=["arm", "event", "time"])
    if known.empty:
        raise InputError("[trial]: no patient has arm, event and time; check the columns.")
    for arm, name in enumerate(section.arms):
        if not (known["arm"] == arm).any():
            raise InputError(f"[trial]: no patient with event and time was assigned to {name!r}; check arms.")
    populations = _populations(frame, known, section)
    compared = [compare(name, episodes, section) for name, episodes in populations.items() if len(episodes.exit)]
    table = None
    if section.treated is not None:
        table = np.array([[int(((frame.arm == a) & (frame.treated == t)).sum()) for t in (0, 1)] for a in (0, 1)])
    short = known[(known["event"] == 0.0) & (known["time"] < section.horizon)]
    early = (int((short["arm"] == 0).sum()), int((short["arm"] == 1).sum()))
    times = 0 if section.crossover_time is None else int((frame["crossed_at"] > 0.0).sum())
    return Trial(section.arms, table, times, missing, int(frame["arm"].notna().sum()), early, tuple(compared))


def _patients(joined: Joined, section: TrialSection) -> tuple[pd.DataFrame, dict[str, int]]:
    """One row a patient: arm and treatment as 0 and 1, event, time, time of crossing over; and what is missing."""
    source, patient = joined.frame, joined.patient
    wanted = [section.arm, section.event, section.time, section.treated, section.crossover_time, section.protocol]
    columns = [column for column in dict.fromkeys(wanted) if column is not None]
    for column in columns:
        if column not in source.columns:
            raise InputError(f"[trial]: {JOINT} has no column {column!r}; there are {listed(source.columns)}.")
        differing = source.groupby(patient)[column].nunique(dropna=True) > 1
        if differing.any():
            who = differing.idxmax()
            raise InputError(f"[trial]: {column} differs between the rows of patient {who}; it is one a patient.")
    one = source.groupby(patient, sort=True)[columns].first().reset_index()
    frame = pd.DataFrame({"patient": one[patient], "arm": _arm(one, section.arm, section.arms)})
    frame["event"] = binary(one, section.event, JOINT)
    frame["time"] = numbers(one, section.time, JOINT)
    if (frame["time"] < 0.0).any():
        raise InputError(f"[trial]: {section.time} is negative for patient {frame.patient[frame.time < 0.0].iloc[0]}.")
    frame["treated"] = frame["arm"] if section.treated is None else _arm(one, section.treated, section.arms)
    frame["crossed_at"] = (
        0.0 if section.crossover_time is None else numbers(one, section.crossover_time, JOINT).fillna(0.0)
    )
    frame["kept"] = 1.0 if section.protocol is None else binary(one, section.protocol, JOINT)
    lacking = {section.arm: "arm", section.event: "event", section.time: "time"}
    if section.treated is not None:
        lacking[section.treated] = "treated"
    return frame, {name: int(frame[own].isna().sum()) for name, own in lacking.items()}


def _arm(frame: pd.DataFrame, column: str, arms: tuple[str, str]) -> pd.Series:
    words = frame[column].map(
        lambda value: str(int(value)) if isinstance(value, float) else str(value).strip(), na_action="ignore"
    )
    found = words.map({name: float(place) for place, name in enumerate(arms)})
    other = words[found.isna() & words.notna()]
    if len(other):
        cell = str(other.iloc[0])[:40]
        raise InputError(f"[trial]: {column} holds {cell!r}; its arms are {arms[0]!r} and {arms[1]!r}.")
    return found


def _populations(frame: pd.DataFrame, known: pd.DataFrame, section: TrialSection) -> dict[str, Episodes]:
    populations = {INTENTION: _whole(known, known["arm"])}
    if section.treated is not None:
        treated = known.dropna(subset=["treated"])
        populations[TREATED] = _as_treated(treated)
        populations[PROTOCOL] = _per_protocol(treated)
    elif section.protocol is not None:
        populations[PROTOCOL] = _per_protocol(known)
    lost = frame[frame["arm"].notna() & frame[["event", "time"]].isna().any(axis=1)]
    if len(lost):
        populations[WORST] = _worst(known, lost, section.horizon)
    return populations


def _whole(frame: pd.DataFrame, arm: pd.Series, entry: Any = 0.0, exit_: Any = None, event: Any = None) -> Episodes:
    """One episode a patient."""
    return Episodes(
        frame["patient"].to_numpy(),
        np.broadcast_to(np.asarray(entry, float), (len(frame),)).copy(),
        np.asarray(frame["time"] if exit_ is None else exit_, float),
        np.asarray(frame["event"] if event is None else event, float) == 1.0,
        arm.to_numpy(float).astype(int),
    )


def _later(frame: pd.DataFrame) -> Array:
    """Who crossed over during follow-up (and not at its start, nor after its end)."""
    return _crossing(frame) & np.asarray(frame["crossed_at"] < frame["time"])


def _crossing(frame: pd.DataFrame) -> Array:
    """Who crossed over, and not at the start."""
    return np.asarray((frame["treated"] != frame["arm"]) & (frame["crossed_at"] > 0.0))


def _as_treated(frame: pd.DataFrame) -> Episodes:
    """Follow-up under the treatment received; crossing over splits it, after its end it does not count."""
    later = _later(frame)
    after_end = _crossing(frame) & ~later
    whole, split = frame[~later], frame[later]
    first = _whole(whole, whole["treated"].where(~after_end[~later], whole["arm"]))
    before = _whole(split, split["arm"], 0.0, split["crossed_at"], np.zeros(len(split)))
    after = _whole(split, split["treated"], split["crossed_at"])
    parts = (first, before, after)
    return Episodes(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Episodes)))


def _per_protocol(frame: pd.DataFrame) -> Episodes:
    """Those who kept to the protocol; who crossed over later is followed until then."""
    later = _later(frame)
    kept = np.asarray(frame["kept"] == 1.0) & (np.asarray(frame["treated"] == frame["arm"]) | _crossing(frame))
    whole = _whole(
        frame, frame["arm"], 0.0, frame["time"].where(~later, frame["crossed_at"]), frame["event"].where(~later, 0.0)
    )
    return whole.where(kept)


def _worst(known: pd.DataFrame, lost: pd.DataFrame, horizon: float) -> Episodes:
    """Patients without outcome: the event at once in the arm tested, none until the horizon in the reference."""
    tested = lost["arm"] == 1.0
    filled = lost.assign(event=tested.astype(float), time=np.where(tested, 0.0, horizon))
    frame = pd.concat([known, filled])
    return _whole(frame, frame["arm"])


def compare(name: str, episodes: Episodes, section: TrialSection) -> Comparison:
    """The arms in one population, against the margins."""
    risk, ratio = risk_difference(episodes, section.horizon), hazard_ratio(episodes)
    by_difference = by_ratio = None
    if section.margin_risk_difference is not None and risk.error > 0.0:
        by_difference = verdict(section.margin_risk_difference, risk.difference.value, risk.error, section.alpha)
    if section.margin_hazard_ratio is not None and ratio is not None:
        margin = float(np.log(section.margin_hazard_ratio))
        logs = verdict(margin, ratio.log_ratio, ratio.error, section.alpha)
        by_ratio = Verdict(section.margin_hazard_ratio, logs.p, float(np.exp(logs.upper)), logs.non_inferior)
    split = [episodes.of_arm(arm) for arm in (0, 1)]
    patients = [len(np.unique(part.patient)) for part in split]
    crossed = sum(patients) - len(np.unique(episodes.patient))
    events = (int(split[0].event.sum()), int(split[1].event.sum()))
    return Comparison(name, episodes, (patients[0], patients[1]), events, crossed, risk, ratio, by_difference, by_ratio)


def verdict(margin: float, value: float, error: float, alpha: float) -> Verdict:
    """H0, that the arm tested is worse by the margin or more, is rejected where p < alpha."""
    p, z = float(stats.norm.cdf((value - margin) / error)), float(stats.norm.ppf(1.0 - alpha))
    return Verdict(margin, p, value + z * error, p < alpha)
