"""Evidences and what a clinician would say about them.

`evidence` draws a plausible alert (coded facts only); `say` puts it into
words: situation, drivers in order with band and trend, what is missing. The
wording is a function of the evidence (its kind, priority, driver signals), so
that a greedy decoder can learn all of it; variety comes from the evidences.
No digits, no advice: values stand in slots that the engine fills.
"""

import random
import zlib
from dataclasses import dataclass

from .narrator_words import BANDS, KINDS, MISSING, PRIORITIES, SLOTS, SUBJECTS, TREND_WORDS, TRENDS

TOLD = 4  # facts put into words; the rest stay in the evidence
TOLD_MISSING = 2  # one only beside four facts, to stay within the word limit

# kind -> (signal, bands that drive it, trends that drive it)
_L, _H = ("low", "critical_low"), ("high", "critical_high")
PLAUSIBLE = {
    "sepsis": [("sepsis_risk", _H, "rising"), ("heart_rate", _H, "rising"), ("abp_mean", _L, "falling"), ("nibp_mean", _L, "falling"),
               ("lactate", _H, "rising"), ("wbc", _H, "rising"), ("temperature", _H, "rising"), ("resp_rate", _H, "rising"), ("platelets", _L, "falling"),
               ("creatinine", _H, "rising"), ("procalcitonin", _H, "rising"), ("crp", _H, "rising"), ("sofa", _H, "rising"), ("qsofa", _H, "rising"),
               ("sirs", _H, "rising"), ("bilirubin_total", _H, "rising"), ("urine_output", _L, "falling"), ("news2", _H, "rising"), ("spo2", _L, "falling")],
    "deterioration": [("deterioration_risk", _H, "rising"), ("news2", _H, "rising"), ("mews", _H, "rising"), ("gcs_total", _L, "falling"),
                      ("spo2", _L, "falling"), ("abp_systolic", _L, "falling"), ("nibp_systolic", _L, "falling"), ("heart_rate", _H, "rising"),
                      ("resp_rate", _H, "rising"), ("lactate", _H, "rising"), ("urine_output", _L, "falling"), ("shock_index", _H, "rising"),
                      ("hrv_rmssd", _L, "falling"), ("arterial_ph", _L, "falling"), ("hemoglobin", _L, "falling"), ("bun", _H, "rising")],
    "respiratory": [("spo2", _L, "falling"), ("resp_rate", _H, "rising"), ("pf_ratio", _L, "falling"), ("paco2", _H, "rising"), ("pao2", _L, "falling"),
                    ("sao2", _L, "falling"), ("etco2", _H, "rising"), ("fio2", _H, "rising"), ("arterial_ph", _L, "falling"), ("heart_rate", _H, "rising"),
                    ("deterioration_risk", _H, "rising"), ("bicarbonate", _H, "stable"), ("news2", _H, "rising")],
    "shock": [("shock_index", _H, "rising"), ("abp_mean", _L, "falling"), ("abp_systolic", _L, "falling"), ("nibp_systolic", _L, "falling"),
              ("heart_rate", _H, "rising"), ("lactate", _H, "rising"), ("base_excess", _L, "falling"), ("hemoglobin", _L, "falling"),
              ("hematocrit", _L, "falling"), ("norepinephrine", _H, "rising"), ("cvp", _L, "falling"), ("urine_output", _L, "falling"),
              ("pulse_rate", _H, "rising"), ("deterioration_risk", _H, "rising")],
    "hypotension": [("abp_mean", _L, "falling"), ("abp_systolic", _L, "falling"), ("abp_diastolic", _L, "falling"), ("nibp_mean", _L, "falling"),
                    ("nibp_systolic", _L, "falling"), ("nibp_diastolic", _L, "falling"), ("heart_rate", _H, "rising"), ("norepinephrine", _H, "rising"),
                    ("shock_index", _H, "rising"), ("lactate", _H, "rising"), ("cvp", _L, "falling")],
    "seizure": [("eeg_seizure_score", _H, "rising"), ("eeg_dominant_frequency", _H, "rising"), ("eeg_sef95", _H, "rising"),
                ("eeg_burst_suppression", _H, "rising"), ("heart_rate", _H, "rising"), ("gcs_total", _L, "falling"), ("sodium", _L, "falling"),
                ("glucose", _L, "falling"), ("spo2", _L, "falling"), ("hrv_rmssd", _L, "falling"), ("magnesium", _L, "falling"), ("calcium", _L, "falling")],
    "hypoglycaemia": [("cgm_glucose", _L, "falling"), ("cgm_rate", _L, "falling"), ("cgm_forecast", _L, "falling"), ("glucose", _L, "falling"),
                      ("heart_rate", _H, "rising"), ("gcs_total", _L, "falling"), ("potassium", _L, "falling")],
    "hyperglycaemia": [("cgm_glucose", _H, "rising"), ("cgm_rate", _H, "rising"), ("cgm_forecast", _H, "rising"), ("glucose", _H, "rising"),
                       ("bicarbonate", _L, "falling"), ("potassium", _H, "rising"), ("arterial_ph", _L, "falling"), ("sodium", _L, "falling")],
    "early_warning": [("news2", _H, "rising"), ("mews", _H, "rising"), ("qsofa", _H, "rising"), ("resp_rate", _H, "rising"), ("spo2", _L, "falling"),
                      ("heart_rate", _H, "rising"), ("nibp_systolic", _L, "falling"), ("temperature", _H, "rising"), ("gcs_total", _L, "falling"),
                      ("fio2", _H, "rising"), ("pulse_rate", _H, "rising")],
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """One coded fact: which signal, which band, which way it goes."""

    signal: str
    band: str
    trend: str


@dataclass(frozen=True)
class Evidence:
    """What the narrator is told about an alert."""

    kind: str
    priority: str
    facts: tuple[Fact, ...]
    missing: tuple[str, ...]

    def prompt(self) -> list[str]:
        out = ["<bos>", f"<kind:{self.kind}>", f"<priority:{self.priority}>"]
        for i, f in enumerate(self.facts):
            out += [f"<fact:{i}>", f"<sig:{f.signal}>", f"<band:{f.band}>", f"<trend:{f.trend}>"]
        if self.missing:
            out += ["<missing>"] + [f"<sig:{s}>" for s in self.missing]
        return out + ["<say>"]


def evidence(rng: random.Random) -> Evidence:
    """A random evidence: mostly plausible for its kind, with enough of everything else to never be surprised."""
    kind = rng.choice(list(KINDS))
    priority = rng.choice(list(PRIORITIES))
    count = rng.choice((1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 8, 9, 10, 11, 12))
    strange = rng.random() < 0.5  # any signal may come with any alert
    pool = [] if strange else rng.sample(PLAUSIBLE[kind], len(PLAUSIBLE[kind]))
    others = [s for s in SUBJECTS if s not in {p[0] for p in pool}]
    rng.shuffle(others)
    facts = []
    for _ in range(count):
        if pool and rng.random() < 0.85:
            signal, bands, trend = pool.pop()
            band = rng.choice(bands) if rng.random() < 0.8 else rng.choice(BANDS)
            trend = trend if rng.random() < 0.5 else rng.choice(TRENDS)
        else:
            signal, band, trend = others.pop(), rng.choice(BANDS), rng.choice(TRENDS)
        facts.append(Fact(signal, band, trend))
    told = {f.signal for f in facts}
    missing = [s for s in SUBJECTS if s not in told]
    rng.shuffle(missing)
    return Evidence(kind, priority, tuple(facts), tuple(missing[: rng.choice((0, 0, 1, 2, 3, 4))]))


def _key(*words: str) -> int:
    return zlib.crc32(" ".join(words).encode())


def _pick(options, *words):
    return options[_key(*words) % len(options)]


def _state(fact: Fact) -> str:
    """Words after the slot: band and trend, in a shape that the signal chooses."""
    style = _key("state", fact.signal) % 4
    word = _key("word", fact.signal) % 2
    side = {"low": "low", "critical_low": "low", "high": "high", "critical_high": "high", "normal": "normal"}.get(fact.band, "")
    band = {"low": ("low", "reduced")[word], "high": ("high", "raised")[word], "normal": "normal"}.get(side, "")
    if fact.band.startswith("critical"):
        band = f"critically {side}"
    trend = TREND_WORDS[fact.trend][word] if fact.trend in TREND_WORDS else ""
    if not band and not trend:
        return ""
    joined = f"{band} and {trend}" if band and trend else band or trend
    if style == 0:
        return f"( {joined} )"
    if style == 1:
        return f"now {joined}"
    if style == 2:
        return joined if band else f"and {joined}"
    return f"currently {joined}"


def _clause(i: int, fact: Fact) -> str:
    return f"{SUBJECTS[fact.signal]} {{f{i}}} {_state(fact)}".strip()


def _opening(e: Evidence) -> str:
    """The situation, in a shape that kind, priority and the first driver choose."""
    first = e.facts[0].signal if e.facts else "none"
    shape = _key("opening", first) % 8
    noun = _pick(KINDS[e.kind], "noun", first)
    how = _pick(PRIORITIES[e.priority], "how", e.kind)
    article = "an" if how[0] in "aeiou" else "a"
    return (
        f"{how} concern for {noun}",
        f"findings fit {noun} , {how} concern",
        f"{article} {how} picture of {noun}",
        f"possible {noun} of {how} concern",
        f"{how} suspicion of {noun}",
        f"pattern of {noun} , {how} in degree",
        f"signs of {noun} , {how} at present",
        f"{article} {how} signal of {noun}",
    )[shape]


def _drivers(e: Evidence) -> str:
    """The first facts, joined in a shape that the second driver and their number choose."""
    clauses = [_clause(i, f) for i, f in enumerate(e.facts[:TOLD])]
    if not clauses:
        return "."
    if len(clauses) == 1:
        return _pick((": {}", ". the finding is {}", ", shown by {}"), "one", e.facts[0].signal).format(clauses[0]) + " ."
    shape = _key("drivers", e.facts[1].signal) % 5
    *early, last = clauses
    if shape == 0:
        return f": {' , '.join(early)} , and {last} ."
    if shape == 1:
        return f", driven by {' , '.join(early)} , with {last} ."
    if shape == 2:
        return f". main drivers are {' , '.join(early)} , and {last} ."
    if shape == 3:
        return f". foremost {early[0]} ; also {' , '.join(early[1:] + [last])} ."
    return f", led by {early[0]} , then {' , '.join(early[1:] + [last])} ."


def _missing(e: Evidence) -> str:
    """What was not there, in a shape that the first missing signal chooses."""
    room = 1 if len(e.facts) >= TOLD else TOLD_MISSING
    told = [SUBJECTS[s] for s in e.missing[:room]]
    if not told:
        return ""
    names = " and ".join(told)
    shape = _key("missing", e.missing[0]) % 4
    return ("missing : {} .", "missing here : {} .", "judged without {} .", "without recent {} .")[shape].format(names)


def say(e: Evidence) -> list[str]:
    """The rationale, as word tokens."""
    return f"{_opening(e)} {_drivers(e)} {_missing(e)}".split()


def corpus_words() -> list[str]:
    """Every word the grammar can say, sorted: kinds, priorities, bands and trends are swept, so none is met by luck."""
    words = {f"{{f{i}}}" for i in range(SLOTS)}
    for signal in SUBJECTS:
        for other in SUBJECTS:
            e = Evidence("sepsis", "high", (Fact(signal, "low", "rising"), Fact(other, "critical_high", "falling")), (other, signal))
            words.update(say(e))
        for kind in KINDS:
            for priority in PRIORITIES:
                words.update(say(Evidence(kind, priority, (Fact(signal, "normal", "stable"),), ())))
        for band in BANDS:
            for trend in TRENDS:
                words.update(say(Evidence("sepsis", "low", (Fact(signal, band, trend),), (signal,) * min(1, MISSING))))
    return sorted(words)
