"""The input contract "hourly-v2": which variables, in which order, how they become tokens.

The Rust engine builds the same tokens from the bundle's manifest, so every
number used here ends up in that manifest. Training reads the engine's own
export (`bedwatch features export`), so values arrive in the engine's units,
already cleared of the implausible.
"""

from dataclasses import dataclass

import numpy as np

MAX_HOURS = 48
AGE_CAP_HOURS = 48
CLIP = 5.0
UNKNOWN_AGE = 0.6
UNKNOWN_SEX = 0.5
ADMISSION_SCALE = 6.0
BEFORE_ICU_SCALE = 8.0
UNITS = ("medical", "surgical", "coronary", "cardiac_surgery")


@dataclass(frozen=True)
class Variable:
    """One grid variable and the engine's signals that feed it, the preferred one first."""

    name: str
    sources: tuple[str, ...]
    transform: str = "identity"


def _v(name, sources=None, transform="identity"):
    return Variable(name, tuple(sources or (name,)), transform)


VITALS = (
    _v("heart_rate", ("heart_rate", "pulse_rate")),
    _v("spo2"),
    _v("temperature"),
    _v("sbp", ("abp_systolic", "nibp_systolic")),
    _v("map", ("abp_mean", "nibp_mean")),
    _v("dbp", ("abp_diastolic", "nibp_diastolic")),
    _v("resp_rate"),
    _v("etco2"),
)
LABS = (
    _v("base_excess"),
    _v("bicarbonate"),
    _v("fio2"),
    _v("arterial_ph"),
    _v("paco2"),
    _v("sao2"),
    _v("ast", transform="log1p"),
    _v("bun", transform="log1p"),
    _v("alkaline_phosphatase", transform="log1p"),
    _v("calcium"),
    _v("chloride"),
    _v("creatinine", transform="log1p"),
    _v("bilirubin_direct", transform="log1p"),
    _v("glucose", transform="log1p"),
    _v("lactate", transform="log1p"),
    _v("magnesium"),
    _v("phosphate"),
    _v("potassium"),
    _v("bilirubin_total", transform="log1p"),
    _v("troponin_i", transform="log1p"),
    _v("hematocrit"),
    _v("hemoglobin"),
    _v("ptt", transform="log1p"),
    _v("wbc", transform="log1p"),
    _v("fibrinogen", transform="log1p"),
    _v("platelets", transform="log1p"),
    _v("pao2", transform="log1p"),
    _v("sodium"),
    _v("alt", transform="log1p"),
    _v("albumin"),
    _v("troponin_t", transform="log1p"),
    _v("cholesterol", transform="log1p"),
)
BEDSIDE = (
    _v("gcs_total"),
    _v("urine_output", transform="log1p"),
    _v("mechanical_ventilation"),
    _v("weight", transform="log1p"),
)
VARIABLES = VITALS + LABS + BEDSIDE
S = len(VARIABLES)
V = len(VITALS)
L = slice(V, V + len(LABS))  # the laboratory's columns
LAYOUT = (
    ["values", "masks", "ages", "age_years", "sex", "since_admission", "before_icu", "before_icu_known"]
    + [f"unit_{u}" for u in UNITS]
)  # fmt: skip
F = 3 * S + 5 + len(UNITS)


def transform(values: np.ndarray) -> np.ndarray:
    """Applies each variable's transform; `values` is [N, S] in the engine's units. log1p clamps negative values to zero first."""
    out = values.astype(np.float32, copy=True)
    for j, var in enumerate(VARIABLES):
        if var.transform == "log1p":
            out[:, j] = np.log1p(np.maximum(out[:, j], 0.0))
    return out


def normalisation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd [S] of the transformed observations of [N, S], between their 0.1 and 99.9 percentiles."""
    mean, sd = np.zeros(S), np.ones(S)
    moved = transform(values)
    for j in range(S):
        x = moved[np.isfinite(moved[:, j]), j].astype(np.float64)
        if len(x) > 10:
            low, high = np.quantile(x, [0.001, 0.999])
            x = x[(x >= low) & (x <= high)]
            mean[j], sd[j] = x.mean(), max(x.std(), 1e-3)
    return np.round(mean, 6), np.round(sd, 6)


@dataclass
class Person:
    """What is known of the stay beside its signals; arrays [N], NaN where unknown, `unit` [N] = index into UNITS or -1."""

    age_years: np.ndarray
    sex: np.ndarray
    hours_since_admission: np.ndarray
    hours_before_icu: np.ndarray
    unit: np.ndarray


def tokens(values, starts, person: Person, mean, sd) -> np.ndarray:
    """Hourly tokens [N, F] of concatenated stays.

    `values` [N, S]: last observation within the hour or NaN, one row per clock
    hour; `starts` [N]: index of the first row of the row's stay. The first hour
    of a stay counts as 1 hour since admission.
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
    rest = out[:, 3 * S :]
    rest[:, 0] = np.where(np.isfinite(person.age_years), person.age_years / 100.0, UNKNOWN_AGE)
    rest[:, 1] = np.where(np.isfinite(person.sex), person.sex, UNKNOWN_SEX)
    rest[:, 2] = np.log1p(np.maximum(person.hours_since_admission, 0.0)) / ADMISSION_SCALE
    before = np.isfinite(person.hours_before_icu)
    rest[:, 3] = np.where(before, np.log1p(np.maximum(np.nan_to_num(person.hours_before_icu), 0.0)) / BEFORE_ICU_SCALE, 0.0)
    rest[:, 4] = before
    for k in range(len(UNITS)):
        rest[:, 5 + k] = person.unit == k
    return out
