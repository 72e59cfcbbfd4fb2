"""The input contract "hourly-v1": which variables, in which order, how they become tokens.

The Rust engine builds the same tokens from the bundle's manifest, so every
number used here ends up in that manifest.
"""

from dataclasses import dataclass

import numpy as np

MAX_HOURS = 48
AGE_CAP_HOURS = 48
CLIP = 5.0
UNKNOWN_AGE = 0.6
UNKNOWN_SEX = 0.5
ADMISSION_SCALE = 6.0


@dataclass(frozen=True)
class Variable:
    """One grid variable: its CinC 2019 column and the engine's signals that feed it."""

    name: str
    column: str
    sources: tuple[str, ...]
    transform: str = "identity"
    low: float = -np.inf  # outside [low, high]: not used for mean and sd
    high: float = np.inf


def _v(name, column, sources=None, transform="identity", low=-np.inf, high=np.inf):
    return Variable(name, column, tuple(sources or (name,)), transform, low, high)


VARIABLES = (
    _v("heart_rate", "HR", ("heart_rate", "pulse_rate"), low=0, high=350),
    _v("spo2", "O2Sat", low=0, high=100),
    _v("temperature", "Temp", low=25, high=45),
    _v("sbp", "SBP", ("abp_systolic", "nibp_systolic"), low=1, high=300),
    _v("map", "MAP", ("abp_mean", "nibp_mean"), low=1, high=300),
    _v("dbp", "DBP", ("abp_diastolic", "nibp_diastolic"), low=1, high=300),
    _v("resp_rate", "Resp", low=0, high=100),
    _v("etco2", "EtCO2", low=0, high=150),
    _v("base_excess", "BaseExcess", low=-50, high=50),
    _v("bicarbonate", "HCO3", low=1, high=80),
    _v("fio2", "FiO2", low=21, high=100),
    _v("arterial_ph", "pH", low=6.5, high=8),
    _v("paco2", "PaCO2", low=5, high=200),
    _v("sao2", "SaO2", low=0, high=100),
    _v("ast", "AST", transform="log1p", low=0, high=20000),
    _v("bun", "BUN", transform="log1p", low=0, high=400),
    _v("alkaline_phosphatase", "Alkalinephos", transform="log1p", low=0, high=5000),
    _v("calcium", "Calcium", low=0, high=25),
    _v("chloride", "Chloride", low=50, high=180),
    _v("creatinine", "Creatinine", transform="log1p", low=0, high=60),
    _v("bilirubin_direct", "Bilirubin_direct", transform="log1p", low=0, high=60),
    _v("glucose", "Glucose", transform="log1p", low=0, high=2000),
    _v("lactate", "Lactate", transform="log1p", low=0, high=50),
    _v("magnesium", "Magnesium", low=0, high=20),
    _v("phosphate", "Phosphate", low=0, high=30),
    _v("potassium", "Potassium", low=1, high=15),
    _v("bilirubin_total", "Bilirubin_total", transform="log1p", low=0, high=80),
    _v("troponin_i", "TroponinI", transform="log1p", low=0, high=1000),
    _v("hematocrit", "Hct", low=5, high=75),
    _v("hemoglobin", "Hgb", low=1, high=30),
    _v("ptt", "PTT", transform="log1p", low=5, high=300),
    _v("wbc", "WBC", transform="log1p", low=0, high=500),
    _v("fibrinogen", "Fibrinogen", transform="log1p", low=0, high=2000),
    _v("platelets", "Platelets", transform="log1p", low=0, high=3000),
)
S = len(VARIABLES)
F = 3 * S + 3


def transform(values: np.ndarray) -> np.ndarray:
    """Applies each variable's transform; `values` is [N, S] in the engine's units.

    log1p clamps negative values to zero first.
    """
    out = values.astype(np.float32, copy=True)
    for j, var in enumerate(VARIABLES):
        if var.transform == "log1p":
            out[:, j] = np.log1p(np.maximum(out[:, j], 0.0))
    return out


def normalisation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of the transformed, plausible observations of [N, S]; equal weight per site is the caller's choice."""
    mean, sd = np.zeros(S), np.ones(S)
    moved = transform(values)
    for j, var in enumerate(VARIABLES):
        raw = values[:, j]
        good = np.isfinite(raw) & (raw >= var.low) & (raw <= var.high)
        if good.sum() > 10:
            x = moved[good, j].astype(np.float64)
            mean[j], sd[j] = x.mean(), max(x.std(), 1e-3)
    return np.round(mean, 6), np.round(sd, 6)


def tokens(values, starts, age_years, sex, hours_since_admission, mean, sd) -> np.ndarray:
    """Hourly tokens [N, F] of concatenated stays.

    `values` [N, S]: last observation within the hour or NaN, one row per clock
    hour; `starts` [N]: index of the first row of the row's stay; `age_years`,
    `sex`, `hours_since_admission` [N], NaN where unknown. The first hour of a
    stay counts as 1 hour since admission.
    """
    n = len(values)
    scaled = np.clip((transform(values) - mean.astype(np.float32)) / sd.astype(np.float32), -CLIP, CLIP)
    seen = np.isfinite(values)
    index = np.where(seen, np.arange(n)[:, None], -1)
    last = np.maximum.accumulate(index, axis=0)
    known = last >= starts[:, None]
    last = np.where(known, last, 0)
    out = np.empty((n, F), dtype=np.float32)
    out[:, :S] = np.where(known, np.take_along_axis(scaled, last, axis=0), 0.0)
    out[:, S : 2 * S] = seen
    hours = np.minimum(np.arange(n)[:, None] - last, AGE_CAP_HOURS) / AGE_CAP_HOURS
    out[:, 2 * S : 3 * S] = np.where(known, hours, 1.0)
    out[:, 3 * S] = np.where(np.isfinite(age_years), age_years / 100.0, UNKNOWN_AGE)
    out[:, 3 * S + 1] = np.where(np.isfinite(sex), sex, UNKNOWN_SEX)
    out[:, 3 * S + 2] = np.log1p(np.maximum(hours_since_admission, 0.0)) / ADMISSION_SCALE
    return out
