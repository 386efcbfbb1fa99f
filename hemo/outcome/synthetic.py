"""A generated cohort whose truth is known: ``python -m hemo.outcome.synthetic FOLDER`` writes tables and a study file.

Per patient a frailty, age, sex and diabetes; per lesion plaque and haemodynamics that hang together, an invasive FFR,
and a time to a lesion's event with log hazard linear in plaque, FFR and wall shear stress. Patients are randomised to
one of two arms, some cross over. Nothing is taken from any patient.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
YEAR = 365.25
VESSELS = ("LAD", "LCX", "RCA")
# Log hazard ratios of a lesion's event.
TRUTH = {"plaque_burden_percent": 0.05, "low_attenuation": 0.5, "ct_ffr": -6.0, "wss_mean_pa": 0.04}

STUDY = """\
[study]
name = "Generated cohort: haemodynamics and outcome"
seed = 1

[[tables]]
name = "haemodynamics"
file = "haemodynamics.csv"
keys = ["patient", "vessel", "lesion"]

[[tables]]
name = "plaque"
file = "plaque.csv"
keys = ["patient", "vessel", "lesion"]

[[tables]]
name = "perfusion"
file = "perfusion.csv"
keys = ["patient", "vessel"]

[[tables]]
name = "clinical"
file = "clinical.csv"
keys = ["patient"]

[[tables]]
name = "stents"
file = "stents.csv"
keys = ["patient", "time"]
join = false

[derived]
adverse_plaque = { any_of = ["plaque_burden_percent >= 70", "low_attenuation == 1"] }
adverse_haemodynamics = { any_of = ["ct_ffr <= 0.80", "delta_ct_ffr >= 0.06", "wss_mean_pa >= 15.47"] }

[summary]
columns = [
    "ct_ffr", "delta_ct_ffr", "wss_mean_pa", "aps_mean_pa", "plaque_burden_percent", "low_attenuation", "mbf_ml_min_g",
]
group = "lesion_event"
cross = ["adverse_plaque", "adverse_haemodynamics"]

[event]
column = "lesion_event"
time = "lesion_days"
horizon = 1095
method = "cox"
per = { ct_ffr = -0.1, delta_ct_ffr = 0.05, plaque_burden_percent = 10.0, wss_mean_pa = 5.0, aps_mean_pa = 50.0 }

[[models]]
name = "plaque"
predictors = ["plaque_burden_percent", "low_attenuation"]

[[models]]
name = "plaque + CT-FFR"
predictors = ["plaque_burden_percent", "low_attenuation", "ct_ffr"]

[[models]]
name = "plaque + CT-FFR + WSS, APS"
predictors = ["plaque_burden_percent", "low_attenuation", "ct_ffr", "wss_mean_pa", "aps_mean_pa"]

[[serial]]
name = "stents"
table = "stents"
time = "time"
order = ["pre", "post", "1 year"]
measures = ["qfr", "stent_expansion_percent"]
group = "arm"
groups = ["angiography", "QFR"]
gate = { qfr = 0.80 }

[trial]
arm = "arm"
arms = ["angiography", "QFR"]
treated = "received"
crossover_time = "crossover_days"
event = "mace"
time = "follow_up_days"
horizon = 730
margin_risk_difference = 0.06
margin_hazard_ratio = 1.5

[[thresholds]]
name = "CT-FFR"
measure = "ct_ffr"
reference = "ffr"
reference_at_most = 0.80
subgroups = ["sex", "diabetes"]
"""


def cohort(patients: int = 400, seed: int = 20) -> dict[str, pd.DataFrame]:
    """The tables of a cohort by file name: clinical, haemodynamics, plaque, perfusion, stents."""
    rng = np.random.default_rng(seed)
    clinical = _clinical(patients, rng)
    lesions = _lesions(clinical, rng)
    perfusion = lesions.groupby(["patient", "vessel"], sort=True)["ct_ffr"].min().reset_index()
    perfusion["mbf_ml_min_g"] = np.round(0.4 + 2.2 * perfusion.pop("ct_ffr") + rng.normal(0.0, 0.3, len(perfusion)), 2)
    plaque = lesions[["patient", "vessel", "lesion", "plaque_burden_percent", "low_attenuation"]].copy()
    plaque.loc[rng.random(len(plaque)) < 0.03, "plaque_burden_percent"] = np.nan
    haemodynamics = lesions.drop(columns=["plaque_burden_percent", "low_attenuation"])
    return {
        "clinical": clinical.drop(columns="frailty"),
        "haemodynamics": haemodynamics,
        "plaque": plaque,
        "perfusion": perfusion,
        "stents": _stents(clinical, rng),
    }


def _clinical(patients: int, rng: np.random.Generator) -> pd.DataFrame:
    ids = [f"P{number:04d}" for number in range(1, patients + 1)]
    arm = np.where(rng.permutation(patients) % 2 == 0, "angiography", "QFR")
    other = np.where(arm == "QFR", "angiography", "QFR")
    crosses = rng.random(patients) < 0.06
    later = crosses & (rng.random(patients) < 0.5)
    crossing = np.where(later, np.round(rng.uniform(10.0, 400.0, patients)), np.nan)
    rate = np.where(arm == "QFR", 0.075, 0.085) / YEAR
    event = rng.exponential(1.0 / rate)
    end = rng.uniform(2.0, 4.0, patients) * YEAR
    return pd.DataFrame(
        {
            "patient": ids,
            "age": np.round(rng.normal(64.0, 10.0, patients)),
            "sex": np.where(rng.random(patients) < 0.3, "female", "male"),
            "diabetes": np.where(rng.random(patients) < 0.28, "yes", "no"),
            "arm": arm,
            "received": np.where(crosses, other, arm),
            "crossover_days": crossing,
            "mace": (event <= end).astype(int),
            "follow_up_days": np.ceil(np.minimum(event, end)),
            "frailty": rng.normal(0.0, 0.4, patients),
        }
    )


def _lesions(clinical: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    count = 1 + rng.binomial(2, 0.4, len(clinical))
    owner = np.repeat(np.arange(len(clinical)), count)
    n = len(owner)
    severity = rng.normal(0.0, 1.0, n) + 0.4 * clinical["frailty"].to_numpy()[owner]
    ffr = np.clip(0.985 - 0.12 * np.exp(0.75 * severity + rng.normal(0.0, 0.15, n)), 0.35, 0.99)
    diabetic = (clinical["diabetes"] == "yes").to_numpy()[owner]
    ct_ffr = np.clip(ffr + 0.03 * diabetic - 0.01 + rng.normal(0.0, 0.05, n), 0.3, 1.0)
    burden = np.clip(62.0 + 8.0 * severity + rng.normal(0.0, 8.0, n), 25.0, 95.0)
    low = (rng.random(n) < 1.0 / (1.0 + np.exp(-(-1.2 + 0.6 * severity)))).astype(int)
    wss = np.exp(2.35 + 0.35 * severity + rng.normal(0.0, 0.35, n))
    columns = {
        "patient": clinical["patient"].to_numpy()[owner],
        "vessel": rng.choice(VESSELS, n),
        "lesion": [f"L{k + 1}" for size in count for k in range(size)],
        "ct_ffr": np.round(ct_ffr, 3),
        "delta_ct_ffr": np.round(np.clip(0.75 * (1.0 - ct_ffr) + rng.normal(0.0, 0.02, n), 0.0, None), 3),
        "wss_mean_pa": np.round(wss, 2),
        "aps_mean_pa": np.round(rng.normal(120.0, 70.0, n) + 40.0 * severity, 1),
        "ffr": np.round(ffr, 2),
        "plaque_burden_percent": np.round(burden, 1),
        "low_attenuation": low,
    }
    frame = pd.DataFrame(columns)
    centre = {"plaque_burden_percent": 62.0, "low_attenuation": 0.0, "ct_ffr": 0.85, "wss_mean_pa": 11.0}
    log_hazard = sum(beta * (frame[name] - centre[name]) for name, beta in TRUTH.items())
    event = rng.exponential(YEAR / 0.035 / np.exp(log_hazard + clinical["frailty"].to_numpy()[owner]))
    end = rng.uniform(2.5, 5.0, len(clinical))[owner] * YEAR
    frame["lesion_event"] = (event <= end).astype(int)
    frame["lesion_days"] = np.ceil(np.minimum(event, end))
    return frame


def _stents(clinical: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    treated = clinical[rng.random(len(clinical)) < 0.5]
    n = len(treated)
    tested = (treated["arm"] == "QFR").to_numpy()
    pre = np.clip(rng.normal(0.68, 0.10, n), 0.3, 0.95)
    post = np.clip(rng.normal(0.92, 0.05, n) + 0.015 * tested, 0.6, 1.0)
    later = np.clip(post - np.abs(rng.normal(0.015, 0.04, n)), 0.4, 1.0)
    later[rng.random(n) < 0.15] = np.nan
    expansion = np.clip(rng.normal(82.0, 11.0, n) + 4.0 * tested, 40.0, 120.0)
    parts = [
        pd.DataFrame(
            {"patient": treated["patient"], "time": time, "qfr": np.round(qfr, 3), "stent_expansion_percent": area}
        )
        for time, qfr, area in (
            ("pre", pre, np.full(n, np.nan)),
            ("post", post, np.round(expansion, 1)),
            ("1 year", later, np.round(expansion - np.abs(rng.normal(0.0, 1.5, n)), 1)),
        )
    ]
    return pd.concat(parts).dropna(subset=["qfr"]).sort_values(["patient", "time"], kind="stable", ignore_index=True)


def write(folder: Path, patients: int = 400, seed: int = 20) -> Path:
    """Write a cohort's tables and its study file; the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in cohort(patients, seed).items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder / "study.toml"


def main() -> None:
    """Write a cohort into the folder named on the command line."""
    if len(sys.argv) != 2:
        raise SystemExit("name one folder: python -m hemo.outcome.synthetic FOLDER")
    sys.stdout.write(f"{write(Path(sys.argv[1]))}\n")


if __name__ == "__main__":
    main()
