"""The narrator's words: prompt tokens, surface phrases, and the lists the checker and the constrained decoder share.

Written out into lexicon.json, so that Rust never keeps a second copy.
"""

SLOTS = 8  # facts the narrator is told of
CHANGES = 2  # changes that would clear the risk
MISSING = 4
MAX_WORDS = 60
MAX_NEW_TOKENS = 72
# A printed value may bring "at" (its time) along; the day is rarely said. Both count as words for the checker.
SLOT_WORDS = 1

KINDS = {
    "sepsis": ("sepsis",),
    "deterioration": ("deterioration", "clinical deterioration"),
    "respiratory": ("respiratory failure", "respiratory compromise"),
    "shock": ("shock", "circulatory shock"),
    "seizure": ("seizure activity", "electrographic seizure activity"),
    "hypoglycaemia": ("hypoglycaemia",),
    "hyperglycaemia": ("hyperglycaemia",),
    "early_warning": ("early warning", "early warning threshold"),
}
# A head's own risk is a fact of its alert and is led by its name.
OWN_RISK = {"sepsis": "sepsis_risk", "deterioration": "deterioration_risk"}
# IEC 60601-1-8: high asks for immediate response, medium for prompt response, low for awareness.
PRIORITIES = {"high": ("urgent", "immediate"), "medium": ("prompt",), "low": ("mild", "awareness")}
BANDS = ("low", "normal", "high", "critical_low", "critical_high", "unknown")
TRENDS = ("rising", "falling", "stable", "unknown")
BOUNDS = ("at_least", "at_most")

# signal -> the phrase that names it before its slot. No phrase is the end of another, so that what
# stands before a value names one signal only. Groups are organ systems, for emphasis.
_SIGNALS = {
    "circulation": {
        "heart_rate": "heart rate", "pulse_rate": "pulse rate",
        "nibp_systolic": "cuff systolic pressure", "nibp_diastolic": "cuff diastolic pressure", "nibp_mean": "cuff mean pressure",
        "abp_systolic": "arterial systolic pressure", "abp_diastolic": "arterial diastolic pressure", "abp_mean": "mean arterial pressure",
        "cvp": "central venous pressure", "shock_index": "shock index", "hrv_rmssd": "heart-rate variability",
        "troponin_i": "troponin I", "troponin_t": "troponin T",
        "norepinephrine": "norepinephrine infusion", "epinephrine": "epinephrine infusion", "dopamine": "dopamine infusion",
        "dobutamine": "dobutamine infusion", "vasopressin": "vasopressin infusion", "phenylephrine": "phenylephrine infusion",
    },
    "breathing": {
        "resp_rate": "respiratory rate", "spo2": "oxygen saturation", "etco2": "end-tidal CO2", "fio2": "inspired oxygen",
        "paco2": "arterial CO2", "pao2": "arterial oxygen", "sao2": "arterial saturation", "pf_ratio": "PaO2/FiO2",
        "oxygen": "oxygen flow",
    },
    "infection": {
        "temperature": "temperature", "wbc": "white cell count", "procalcitonin": "procalcitonin", "crp": "C-reactive protein",
        "sirs": "SIRS", "qsofa": "qSOFA", "antibiotic": "antibiotic infusion",
    },
    "metabolic": {
        "lactate": "lactate", "arterial_ph": "arterial pH", "bicarbonate": "bicarbonate", "base_excess": "base excess",
        "creatinine": "creatinine", "bun": "urea nitrogen", "urine_output": "urine output", "sodium": "sodium", "potassium": "potassium",
        "chloride": "chloride", "calcium": "calcium", "magnesium": "magnesium", "phosphate": "phosphate",
        "glucose": "blood glucose", "cgm_glucose": "sensor glucose", "cgm_rate": "sensor glucose rate", "cgm_forecast": "sensor glucose forecast",
        "insulin": "insulin infusion",
    },
    "blood": {
        "platelets": "platelet count", "hemoglobin": "haemoglobin", "hematocrit": "haematocrit", "ptt": "partial thromboplastin time",
        "inr": "INR", "fibrinogen": "fibrinogen", "bilirubin_total": "total bilirubin", "bilirubin_direct": "direct bilirubin",
        "alt": "alanine transaminase", "ast": "aspartate transaminase", "alkaline_phosphatase": "alkaline phosphatase", "albumin": "albumin",
        "cholesterol": "cholesterol",
    },
    "general": {
        "gcs_total": "Glasgow coma score", "weight": "weight", "height": "height", "sepsis_risk": "sepsis risk",
        "deterioration_risk": "deterioration risk", "news2": "NEWS2", "mews": "MEWS", "sofa": "SOFA", "sedative": "sedative infusion",
        "eeg_seizure_score": "EEG seizure score", "eeg_sef95": "EEG spectral edge", "eeg_burst_suppression": "EEG burst suppression",
        "eeg_dominant_frequency": "EEG dominant frequency",
    },
}  # fmt: skip
SUBJECTS = {s: phrase for group in _SIGNALS.values() for s, phrase in group.items()}
GROUP = {s: name for name, group in _SIGNALS.items() for s in group}
GROUPS = tuple(_SIGNALS)
INFUSIONS = (
    "norepinephrine", "epinephrine", "dopamine", "dobutamine", "vasopressin", "phenylephrine", "insulin", "sedative", "antibiotic", "oxygen",
)  # fmt: skip
# Phrases that name any of several signals in a statement of trends, before the values are told.
GENERAL = {
    "blood pressure": ("abp_systolic", "abp_mean", "abp_diastolic", "nibp_systolic", "nibp_mean", "nibp_diastolic"),
}

TREND_WORDS = {
    "rising": ("rising", "climbing", "risen", "climbed"),
    "falling": ("falling", "dropping", "fallen", "dropped"),
    "stable": ("steady", "unchanged"),
}
# A band word agrees with these prompt bands.
BAND_WORDS = {
    "low": {"words": ("low",), "bands": ("low", "critical_low")},
    "high": {"words": ("high", "raised"), "bands": ("high", "critical_high")},
    "normal": {"words": ("normal",), "bands": ("normal",)},
    "critical": {"words": ("critically", "very"), "bands": ("critical_low", "critical_high")},
}
# "over the last hour" stands only where the prompt says that the trend was seen within an hour.
RECENT = ("last hour",)
MISSING_OPENERS = ("missing", "without")
# After an opener, until ".", only what would clear the risk: its subjects, bounds and {cN}.
CLEARS_OPENERS = ("would clear", "clears")
BOUND_WORDS = {"at_least": ("at or above",), "at_most": ("at or below",)}
CERTAINTY_WORDS = {"unsure": ("unsure", "uncertain"), "unfamiliar": ("unfamiliar", "unusual")}
# Joining words: they claim nothing about the patient.
PLAIN_WORDS = (
    "a alert alongside also an and are as at awareness background by come comes concern driven fit fits followed for from go goes "
    "has here in is it judged led mainly model note now of over picture points possible reached reach recent running seen signs still the then "
    "these this threshold to together too well with"
).split()
FORBIDDEN = (
    "give start stop administer increase decrease titrate bolus consider recommend recommended should must prescribe infuse "
    "transfuse intubate extubate initiate begin treat treatment therapy dose continue discontinue hold wean apply order obtain "
    "check repeat measure call notify escalate transfer antibiotics antibiotic fluids fluid vasopressor vasopressors pressor "
    "insulin dextrose glucagon oxygenate ventilate ventilation resuscitate steroid steroids sedate paralyse dialyse "
    "defibrillate pace withhold reduce raise lower suggest advise need needs require requires please"
).split()


def special_tokens() -> list[str]:
    """Prompt tokens, in id order after <pad>, <unk>."""
    out = ["<bos>", "<eos>", "<say>", "<state>", "<nostate>", "<missing>", "<clears>", "<new>", "<unsure>", "<unfamiliar>"]
    out += [f"<kind:{k}>" for k in KINDS] + [f"<priority:{p}>" for p in PRIORITIES]
    out += [f"<fact:{i}>" for i in range(SLOTS)]
    out += [f"<sig:{s}>" for s in SUBJECTS]
    return out + [f"<band:{b}>" for b in BANDS] + [f"<trend:{t}>" for t in TRENDS] + [f"<bound:{b}>" for b in BOUNDS]


def lexicon() -> dict:
    """What lexicon.json holds."""
    return {
        "format": "bedwatch-lexicon-1",
        "max_words": MAX_WORDS,
        "slots": SLOTS,
        "changes": CHANGES,
        "max_missing": MISSING,
        "clause_end": [",", ";", ".", ":"],
        "rules": {
            "slot": "{fN} may stand only in a clause that has named fact N's signal and told no value yet",
            "scope": "after {fN} the current fact is N until the next clause_end token or subject",
            "trend": "a trend word may stand only where the clause's subject (or told fact) has that trend in the prompt",
            "band": "a band word may stand only where the clause's subject (or told fact) has that band in the prompt",
            "recent": "only about a fact whose trend is marked <new>: it was seen within the last hour",
            "missing": "after a missing_opener, until '.', only subject phrases of signals listed after <missing>, no slots",
            "clears": "after a clears_opener, until '.', only subject phrases listed after <clears>, their bound and {cN}",
            "certainty": "a certainty word may stand only where the prompt has its token",
            "forbidden": "no forbidden word; digits only inside the name of a subject",
            "render": "join tokens with one space; no space before , ; . : ) nor after (; upper-case the first letter of each sentence",
        },
        "subjects": dict(SUBJECTS),
        "general_subjects": {k: list(v) for k, v in GENERAL.items()},
        "trend_words": {k: list(v) for k, v in TREND_WORDS.items()},
        "band_words": {k: {n: list(x) for n, x in v.items()} for k, v in BAND_WORDS.items()},
        "recent_words": list(RECENT),
        "missing_openers": list(MISSING_OPENERS),
        "clears_openers": list(CLEARS_OPENERS),
        "bound_words": {k: list(v) for k, v in BOUND_WORDS.items()},
        "certainty_words": {k: list(v) for k, v in CERTAINTY_WORDS.items()},
        "plain_words": sorted(set(PLAIN_WORDS)),
        "forbidden": list(FORBIDDEN),
        "kinds": {k: list(v) for k, v in KINDS.items()},
        "priorities": {k: list(v) for k, v in PRIORITIES.items()},
    }
