"""The narrator's words: prompt tokens, surface phrases, and the lists the checker and the constrained decoder share.

Written out into lexicon.json, so that Rust never keeps a second copy.
"""

SLOTS = 12
MISSING = 4
MAX_WORDS = 60
MAX_NEW_TOKENS = 64

KINDS = {
    "sepsis": ("sepsis", "systemic infection"),
    "deterioration": ("clinical deterioration", "acute deterioration"),
    "respiratory": ("respiratory failure", "respiratory compromise"),
    "shock": ("circulatory shock", "circulatory failure"),
    "hypotension": ("hypotension", "arterial hypotension"),
    "seizure": ("seizure activity", "electrographic seizure"),
    "hypoglycaemia": ("hypoglycaemia", "glucose shortage"),
    "hyperglycaemia": ("hyperglycaemia", "glucose excess"),
    "early_warning": ("early physiological decompensation", "physiological decompensation"),
}
PRIORITIES = {"high": ("urgent", "pressing"), "medium": ("definite", "moderate"), "low": ("mild", "slight")}
BANDS = ("low", "normal", "high", "critical_low", "critical_high", "unknown")
TRENDS = ("rising", "falling", "stable", "unknown")

# signal -> the phrase that stands directly before its slot. No phrase is the end of another.
SUBJECTS = {
    "heart_rate": "heart rate", "pulse_rate": "pulse rate", "resp_rate": "respiratory rate",
    "spo2": "oxygen saturation", "temperature": "body temperature",
    "nibp_systolic": "cuff systolic pressure", "nibp_diastolic": "cuff diastolic pressure", "nibp_mean": "cuff mean pressure",
    "abp_systolic": "arterial systolic pressure", "abp_diastolic": "arterial diastolic pressure", "abp_mean": "mean arterial pressure",
    "etco2": "end-tidal carbon dioxide", "fio2": "inspired oxygen fraction", "gcs_total": "coma score", "cgm_glucose": "sensor glucose",
    "cvp": "central venous pressure", "glucose": "blood glucose", "lactate": "lactate", "creatinine": "creatinine",
    "bilirubin_total": "total bilirubin", "bilirubin_direct": "direct bilirubin", "platelets": "platelet count",
    "wbc": "white cell count", "hemoglobin": "haemoglobin", "hematocrit": "haematocrit", "sodium": "sodium",
    "potassium": "potassium", "chloride": "chloride", "bicarbonate": "bicarbonate", "base_excess": "base excess",
    "calcium": "calcium", "magnesium": "magnesium", "phosphate": "phosphate", "bun": "urea nitrogen",
    "alt": "alanine transaminase", "ast": "aspartate transaminase", "alkaline_phosphatase": "alkaline phosphatase",
    "albumin": "albumin", "troponin_i": "troponin I", "troponin_t": "troponin T", "ptt": "partial thromboplastin time",
    "inr": "prothrombin ratio", "fibrinogen": "fibrinogen", "arterial_ph": "arterial pH",
    "paco2": "arterial carbon dioxide tension", "pao2": "arterial oxygen tension", "sao2": "arterial blood saturation",
    "procalcitonin": "procalcitonin", "crp": "reactive protein", "urine_output": "urine output", "weight": "body weight",
    "height": "body height", "cholesterol": "cholesterol",
    "sepsis_risk": "sepsis risk", "deterioration_risk": "deterioration risk", "news2": "early warning score",
    "qsofa": "bedside organ score", "sirs": "inflammatory response criteria", "sofa": "organ failure score",
    "mews": "modified warning score", "shock_index": "shock index", "norepinephrine": "norepinephrine rate",
    "eeg_seizure_score": "seizure score", "eeg_sef95": "spectral edge frequency", "eeg_burst_suppression": "burst suppression ratio",
    "eeg_dominant_frequency": "dominant frequency", "cgm_rate": "glucose rate of change", "cgm_forecast": "glucose forecast",
    "pf_ratio": "oxygenation ratio", "hrv_rmssd": "beat-to-beat variability",
}  # fmt: skip

TREND_WORDS = {
    "rising": ("rising", "climbing"),
    "falling": ("falling", "dropping"),
    "stable": ("steady", "unchanged"),
}
# A band word agrees with these prompt bands.
BAND_WORDS = {
    "low": {"words": ("low", "reduced"), "bands": ("low", "critical_low")},
    "high": {"words": ("high", "raised"), "bands": ("high", "critical_high")},
    "normal": {"words": ("normal",), "bands": ("normal",)},
    "critical": {"words": ("critically",), "bands": ("critical_low", "critical_high")},
}
# Joining words: they claim nothing about the patient.
PLAIN_WORDS = (
    "a also an and are at by concern currently degree driven drivers finding findings fit for foremost here in is judged led main now of pattern "
    "picture possible present recent shown signal signs suspicion the then to with"
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
    out = ["<bos>", "<eos>", "<say>", "<missing>"]
    out += [f"<kind:{k}>" for k in KINDS] + [f"<priority:{p}>" for p in PRIORITIES]
    out += [f"<fact:{i}>" for i in range(SLOTS)]
    out += [f"<sig:{s}>" for s in SUBJECTS]
    return out + [f"<band:{b}>" for b in BANDS] + [f"<trend:{t}>" for t in TRENDS]


def lexicon() -> dict:
    """What lexicon.json holds."""
    return {
        "format": "bedwatch-lexicon-1",
        "max_words": MAX_WORDS,
        "slots": SLOTS,
        "max_missing": MISSING,
        "clause_end": [",", ";", ".", ":"],
        "rules": {
            "slot": "{fN} may stand only where the words directly before it are the subject phrase of fact N's signal",
            "scope": "after {fN} the current fact is N until the next clause_end token or slot",
            "trend": "a trend word may stand only while a fact is current and that fact's prompt trend is the word's direction",
            "band": "a band word may stand only while a fact is current and that fact's prompt band is among the word's bands",
            "missing": "after a missing_opener, until '.', only subject phrases of signals listed after <missing>, no slots",
            "forbidden": "no forbidden word and no digit anywhere",
            "render": "join tokens with one space; no space before , ; . : ) nor after (; upper-case the first letter of each sentence",
        },
        "subjects": dict(SUBJECTS),
        "trend_words": {k: list(v) for k, v in TREND_WORDS.items()},
        "band_words": {k: {n: list(x) for n, x in v.items()} for k, v in BAND_WORDS.items()},
        "missing_openers": ["missing", "without"],
        "plain_words": list(PLAIN_WORDS),
        "forbidden": list(FORBIDDEN),
        "kinds": {k: list(v) for k, v in KINDS.items()},
        "priorities": {k: list(v) for k, v in PRIORITIES.items()},
    }
