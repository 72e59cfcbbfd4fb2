"""Draws plausible and strange evidences, so that no evidence the engine builds surprises the narrator."""

import random

from .narrator_grammar import PLANS, Evidence, Fact, State
from .narrator_words import BANDS, BOUNDS, GROUPS, INFUSIONS, KINDS, OWN_RISK, PRIORITIES, SLOTS, SUBJECTS, TRENDS

_L, _H = ("low", "critical_low"), ("high", "critical_high")
_UP = [(s, _H, "rising") for s in ("heart_rate", "resp_rate", "lactate")]
# kind -> (signal, bands that drive it, trend that drives it); the order is free
PLAUSIBLE = {
    "sepsis": [*_UP, ("abp_mean", _L, "falling"), ("nibp_mean", _L, "falling"), ("wbc", _H, "rising"), ("temperature", _H, "rising"),
               ("platelets", _L, "falling"), ("creatinine", _H, "rising"), ("procalcitonin", _H, "rising"), ("crp", _H, "rising"),
               ("sofa", _H, "unknown"), ("qsofa", _H, "unknown"), ("sirs", _H, "unknown"), ("bilirubin_total", _H, "rising"), ("bun", _H, "rising"),
               ("urine_output", ("unknown",), "falling"), ("spo2", _L, "falling"), ("norepinephrine", ("unknown",), "unknown"), ("fio2", _H, "rising"),
               ("abp_systolic", _L, "falling"), ("bicarbonate", _L, "falling"), ("glucose", _H, "rising"), ("hemoglobin", _L, "falling")],
    "deterioration": [*_UP, ("news2", _H, "unknown"), ("mews", _H, "unknown"), ("gcs_total", _L, "falling"), ("spo2", _L, "falling"),
                      ("abp_systolic", _L, "falling"), ("nibp_systolic", _L, "falling"), ("abp_mean", _L, "falling"), ("urine_output", ("unknown",), "falling"),
                      ("shock_index", _H, "unknown"), ("arterial_ph", _L, "falling"), ("hemoglobin", _L, "falling"), ("bun", _H, "rising"),
                      ("creatinine", _H, "rising"), ("platelets", _L, "falling"), ("sodium", _L, "falling"), ("potassium", _H, "rising"),
                      ("vasopressin", ("unknown",), "unknown"), ("temperature", _L, "falling")],
    "respiratory": [("spo2", _L, "falling"), ("resp_rate", _H, "rising"), ("pf_ratio", _L, "unknown"), ("paco2", _H, "rising"), ("pao2", _L, "falling"),
                    ("sao2", _L, "falling"), ("etco2", _H, "rising"), ("fio2", _H, "rising"), ("arterial_ph", _L, "falling"), ("heart_rate", _H, "rising"),
                    ("bicarbonate", _H, "stable"), ("news2", _H, "unknown"), ("oxygen", ("unknown",), "unknown")],
    "shock": [("shock_index", _H, "unknown"), ("abp_mean", _L, "falling"), ("nibp_mean", _L, "falling"), ("abp_systolic", _L, "falling"),
              ("heart_rate", _H, "rising"), ("lactate", _H, "rising"), ("base_excess", _L, "falling"), ("hemoglobin", _L, "falling"),
              ("hematocrit", _L, "falling"), ("norepinephrine", ("unknown",), "unknown"), ("cvp", _L, "falling"), ("urine_output", ("unknown",), "falling"),
              ("epinephrine", ("unknown",), "unknown"), ("vasopressin", ("unknown",), "unknown"), ("pulse_rate", _H, "rising")],
    "seizure": [("eeg_seizure_score", _H, "unknown"), ("eeg_dominant_frequency", ("unknown",), "unknown"), ("eeg_sef95", ("unknown",), "unknown"),
                ("eeg_burst_suppression", _H, "unknown"), ("heart_rate", _H, "rising"), ("gcs_total", _L, "falling"), ("sodium", _L, "falling"),
                ("glucose", _L, "falling"), ("spo2", _L, "falling"), ("hrv_rmssd", ("unknown",), "unknown"), ("sedative", ("unknown",), "unknown")],
    "hypoglycaemia": [("cgm_glucose", _L, "falling"), ("cgm_rate", _L, "unknown"), ("cgm_forecast", _L, "unknown"), ("glucose", _L, "falling"),
                      ("heart_rate", _H, "rising"), ("gcs_total", _L, "falling"), ("insulin", ("unknown",), "unknown")],
    "hyperglycaemia": [("cgm_glucose", _H, "rising"), ("cgm_rate", _H, "unknown"), ("cgm_forecast", _H, "unknown"), ("glucose", _H, "rising"),
                       ("bicarbonate", _L, "falling"), ("potassium", _H, "rising"), ("insulin", ("unknown",), "unknown")],
    "early_warning": [("news2", _H, "unknown"), ("resp_rate", _H, "rising"), ("spo2", _L, "falling"), ("heart_rate", _H, "rising"),
                      ("abp_systolic", _L, "falling"), ("nibp_systolic", _L, "falling"), ("temperature", _H, "rising"), ("gcs_total", _L, "falling"),
                      ("fio2", _H, "rising"), ("pulse_rate", _H, "rising")],
}  # fmt: skip
# The engine knows neither band nor trend of these.
BARE = {*INFUSIONS, *OWN_RISK.values()}


def shuffled_state(rng: random.Random) -> State:
    """A state of no patient, for the tests of the grammar."""
    groups = list(GROUPS)
    rng.shuffle(groups)
    return State(rng.randrange(PLANS), tuple(groups))


def _facts(rng: random.Random, kind: str, strange: bool) -> list[Fact]:
    count = rng.choice((1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8))
    pool = [] if strange else rng.sample(PLAUSIBLE[kind], len(PLAUSIBLE[kind]))
    others = [s for s in SUBJECTS if s not in {p[0] for p in pool} and s not in OWN_RISK.values()]
    rng.shuffle(others)
    facts = []
    if kind in OWN_RISK and rng.random() < 0.75:
        facts.append(Fact(OWN_RISK[kind], "unknown", "unknown"))
    while len(facts) < min(count, SLOTS):
        if pool and rng.random() < 0.85:
            signal, bands, trend = pool.pop()
            band = rng.choice(bands) if rng.random() < 0.8 else rng.choice(BANDS)
            trend = trend if rng.random() < 0.5 else rng.choice(TRENDS)
        else:
            signal, band, trend = others.pop(), rng.choice(BANDS), rng.choice(TRENDS)
        if signal in BARE and rng.random() < 0.9:
            band = trend = "unknown"
        facts.append(Fact(signal, band, trend, trend in ("rising", "falling") and rng.random() < 0.3))
    return facts


def account(rng: random.Random, kind: str, facts) -> tuple[tuple, tuple]:
    """(clears, certainty): what a model may say of its own answer; rules say nothing of theirs."""
    if kind not in OWN_RISK:
        return (), ()
    clears, certainty = (), ()
    if rng.random() < 0.3:
        measured = [f.signal for f in facts if f.signal not in BARE] or ["abp_mean"]
        rng.shuffle(measured)
        chosen = measured[: rng.choice((1, 1, 2))]
        if rng.random() < 0.1:
            chosen[0] = rng.choice([s for s in SUBJECTS if s not in BARE])
        chosen = list(dict.fromkeys(chosen))
        sides = {f.signal: "at_most" if f.band in _H else "at_least" for f in facts}
        clears = tuple((s, sides.get(s, "at_least") if rng.random() < 0.8 else rng.choice(BOUNDS)) for s in chosen)
    if rng.random() < 0.15:
        certainty += ("unfamiliar",)
    if rng.random() < 0.2:
        certainty += ("unsure",)
    return clears, certainty


def missing_of(rng: random.Random, facts) -> tuple[str, ...]:
    """Signals that are no facts."""
    told = {f.signal for f in facts} | BARE
    missing = [s for s in SUBJECTS if s not in told]
    rng.shuffle(missing)
    return tuple(missing[: rng.choice((0, 0, 1, 2, 3, 4))])


def evidence(rng: random.Random, state: State | None = None) -> Evidence:
    """A random evidence; in a third of them any signal comes with any alert."""
    kind, priority = rng.choice(list(KINDS)), rng.choice(list(PRIORITIES))
    if rng.random() < 0.25:
        kind = rng.choice(list(OWN_RISK))  # most of the models' alerts are these
    facts = _facts(rng, kind, rng.random() < 0.33)
    clears, certainty = account(rng, kind, facts)
    return Evidence(kind, priority, tuple(facts), missing_of(rng, facts), clears, certainty, state)
