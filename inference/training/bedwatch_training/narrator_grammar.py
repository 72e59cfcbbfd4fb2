"""What a clinician would say about an evidence.

The order of the parts follows the structured handovers taught at the bedside:
SBAR (situation, background, assessment, recommendation; Institute for
Healthcare Improvement) and its variant ISBAR, without the recommendation: a
rationale explains and never advises. So: the situation and how urgent it is;
what drives it, values with where they lie and which way they go; what changed
within the hour; what else fits; how sure the model is; what would clear it;
what was missing.

The wording is a function of the evidence and of the patient's *state class*
(see narrator_state: which of six kinds of picture the encoder's embedding
shows), so that a greedy decoder can learn all of it. The class chooses the
plan of the text and which further fact is told after the first drivers; it
claims nothing. Every choice depends on one or two codes of the prompt.
No digits, no advice: values stand in slots that the engine fills.
"""

import zlib
from dataclasses import dataclass, field

from .narrator_words import GENERAL, GROUP, INFUSIONS, KINDS, MAX_NEW_TOKENS, MAX_WORDS, OWN_RISK, SLOTS, SUBJECTS

PLANS = 6
GENERAL_OF = {s: phrase for phrase, signals in GENERAL.items() for s in signals}


@dataclass(frozen=True)
class Fact:
    """One coded fact: which signal, which band, which way it goes, whether that was seen within the last hour."""

    signal: str
    band: str
    trend: str
    new: bool = False


@dataclass(frozen=True)
class State:
    """What the embedding shows: its class (the plan) and organ systems, most deviating first."""

    plan: int
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What the narrator is told about an alert. `state` is None where no embedding is given."""

    kind: str
    priority: str
    facts: tuple[Fact, ...]
    missing: tuple[str, ...] = ()
    clears: tuple[tuple[str, str], ...] = ()  # (signal, bound)
    certainty: tuple[str, ...] = ()  # "unsure", "unfamiliar"
    state: State | None = field(default=None, compare=False)

    def prompt(self) -> list[str]:
        out = ["<bos>", "<nostate>" if self.state is None else "<state>", f"<kind:{self.kind}>", f"<priority:{self.priority}>"]
        out += [f"<{c}>" for c in self.certainty]
        for i, f in enumerate(self.facts):
            out += [f"<fact:{i}>", f"<sig:{f.signal}>", f"<band:{f.band}>", f"<trend:{f.trend}>"] + ["<new>"] * f.new
        if self.clears:
            out += ["<clears>"] + [t for s, b in self.clears for t in (f"<sig:{s}>", f"<bound:{b}>")]
        if self.missing:
            out += ["<missing>"] + [f"<sig:{s}>" for s in self.missing]
        return out + ["<say>"]


def _pick(options, *codes):
    return options[zlib.crc32(" ".join(codes).encode()) % len(options)]


# ---- one fact ----

SIDE = {"low": "low", "critical_low": "low", "high": "high", "critical_high": "high", "normal": "normal"}
LAB_GROUPS = ("infection", "metabolic", "blood")


def _band(f: Fact) -> str:
    side = SIDE.get(f.band, "")
    if side == "high" and GROUP[f.signal] in LAB_GROUPS and not f.band.startswith("critical"):
        side = _pick(("high", "raised"), "high", f.signal)
    if f.band.startswith("critical"):
        return _pick(("very", "critically"), "critical", f.signal) + " " + side
    return side


def _trend(f: Fact) -> str:
    words = {"rising": ("rising", "climbing"), "falling": ("falling", "dropping"), "stable": ("steady", "unchanged")}.get(f.trend)
    return _pick(words, "trend", f.signal) if words else ""


def _has_moved(f: Fact) -> str:
    return _pick({"rising": ("has risen", "has climbed"), "falling": ("has fallen", "has dropped")}[f.trend], "trend", f.signal)


def _moves(f: Fact) -> bool:
    return f.trend in ("rising", "falling")


RECENTLY = "over the last hour"


class Speaker:
    """Puts the facts of one evidence into words; what a heading has said is not said again."""

    def __init__(self, e: Evidence):
        self.e = e
        self.headed: set[int] = set()

    def name(self, i: int) -> str:
        return f"{SUBJECTS[self.e.facts[i].signal]} {{f{i}}}"

    def brief(self, i: int) -> str:
        """`lactate {f1} ( high and rising )`"""
        f = self.e.facts[i]
        trend = "" if i in self.headed else _trend(f) + (f" {RECENTLY}" if f.new else "")
        state = " and ".join(x for x in (_band(f), trend) if x)
        return f"{self.name(i)} ( {state} )" if state else self.name(i)

    def moved(self, i: int) -> str:
        """`lactate has risen to {f1} ( high )`; a fact that does not move is stated."""
        f = self.e.facts[i]
        if not _moves(f) or i in self.headed:
            return self.stated(i)
        recent = f" {RECENTLY}" if f.new else ""
        band = f" ( {_band(f)} )" if _band(f) else ""
        return f"{SUBJECTS[f.signal]} {_has_moved(f)} to {{f{i}}}{band}{recent}"

    def stated(self, i: int) -> str:
        """`lactate is high ( {f1} ) and rising`"""
        f = self.e.facts[i]
        subject, band, trend = SUBJECTS[f.signal], _band(f), "" if i in self.headed else _trend(f)
        recent = f" {RECENTLY}" if f.new and trend else ""
        if band and trend:
            return f"{subject} is {band} ( {{f{i}}} ) and {trend}{recent}"
        if band:
            return f"{subject} is {band} ( {{f{i}}} )"
        if trend:
            return f"{subject} is {trend}{recent} ( {{f{i}}} )"
        return f"{subject} is running ( {{f{i}}} )" if f.signal in INFUSIONS else f"{subject} is {{f{i}}}"

    def heading(self, indices: list[int]) -> str:
        """`blood pressure is falling and heart rate is climbing`, of the first two that move; empty if none has a general name."""
        if not any(_moves(self.e.facts[i]) and self.e.facts[i].signal in GENERAL_OF for i in indices):
            return ""
        parts, phrases = [], set()
        for i in indices:
            f = self.e.facts[i]
            phrase = GENERAL_OF.get(f.signal, SUBJECTS[f.signal])
            if not _moves(f) or phrase in phrases or len(parts) == 2:
                continue
            # A general name must not say a direction that another of its signals contradicts.
            if f.signal in GENERAL_OF and any(g.signal in GENERAL[phrase] and g.trend != f.trend for g in self.e.facts):
                phrase = SUBJECTS[f.signal]
            phrases.add(phrase)
            parts.append(f"{phrase} is {_trend(f)}" + (f" {RECENTLY}" if f.new else ""))
            self.headed.add(i)
        return " and ".join(parts)


def _list(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else " , ".join(parts[:-1]) + " and " + parts[-1]


# ---- the situation ----


def _noun(e: Evidence) -> str:
    return _pick(KINDS[e.kind], "noun", e.kind, e.priority)


def _before(e: Evidence) -> str:
    """How soon someone must look, in the words of IEC 60601-1-8; a prompt response goes without saying."""
    return {"high": "urgent : ", "medium": "", "low": "for awareness : "}[e.priority]


def _situation(e: Evidence, way: int) -> str:
    """A phrase without a verb that opens a text."""
    if e.kind == "early_warning":
        return _before(e) + ("early warning threshold reached", "early warning alert", "now over the early warning threshold")[way % 3]
    noun, concern = _noun(e), {"high": "urgent concern", "medium": "concern", "low": "mild concern"}[e.priority]
    return (f"{concern} for {noun}", f"{_before(e)}signs of {noun}", f"{_before(e)}{noun} alert", f"{_before(e)}possible {noun}")[way]


def _conclusion(e: Evidence, way: int) -> str:
    """A sentence that closes a text which began with its facts."""
    if e.kind == "early_warning":
        return f"{_before(e)}together these reach the early warning threshold"
    noun = _noun(e)
    return _before(e) + (f"together these fit {noun}", f"the picture fits {noun}", f"this points to {noun}")[way]


def _led(f: Fact) -> str:
    """What joins the situation to its first fact; a value in range that holds still drives nothing."""
    if f.band == "normal" and not _moves(f):
        return " , seen with "
    return _pick((" , mainly from ", " , driven by ", " , led by "), "p4", f.signal)


# ---- plans ----


def _plan(e: Evidence) -> int:
    if e.state is not None:
        return e.state.plan
    return zlib.crc32(f"plan {e.facts[0].signal}".encode()) % PLANS


def _first_sentences(e: Evidence, s: Speaker, told: list[int]) -> str:
    """Situation and drivers, in the order of the plan."""
    plan, first, second = _plan(e), e.facts[told[0]].signal, e.facts[told[min(1, len(told) - 1)]].signal
    if e.facts[0].signal == OWN_RISK.get(e.kind) and len(told) > 1:
        return _own_risk(e, s, told, plan, second)
    brief = [s.brief(i) for i in told]
    if plan == 0:
        situation = _situation(e, _pick((0, 3), "s0", second))
        return situation + (" , with " if ":" in situation else " : ") + _list(brief) + " ."
    if plan == 1:
        text = s.moved(told[0])
        if len(told) > 1:
            text += _pick((" , with ", " , alongside ", " , together with "), "p1", second) + _list(brief[1:])
        return text + " . " + _conclusion(e, _pick((0, 1, 2), "c1", second) if len(told) > 1 else 1) + " ."
    if plan == 2:
        heading, way = s.heading(told), _pick((0, 1, 2), "c2", first) if len(told) > 1 else 1
        course = f"{heading} : {_list([s.brief(i) for i in told])}" if heading else _list([s.moved(i) for i in told])
        return f"{course} . {_conclusion(e, way)} ."
    if plan == 3:
        text = _situation(e, _pick((1, 0, 2), "s3", second)) + " . " + s.stated(told[0])
        if len(told) > 1:
            text += _pick((" and ", " ; "), "p3", first) + s.stated(told[1])
        if len(told) > 2:
            text += " . " + _pick(("with this , ", ""), "p3b", second) + s.moved(told[2])
        return text + " ."
    if plan == 4:
        text = _situation(e, _pick((0, 2, 3), "s4", second)) + _led(e.facts[told[0]]) + brief[0]
        if len(told) > 1:
            text += _pick((" , then ", " , followed by ", " , with "), "p4b", second) + _list(brief[1:])
        return text + " ."
    text = s.moved(told[0])
    if len(told) > 1:
        joint = (" ; alongside it is ", " ; with it comes ") if len(told) == 2 else (" ; alongside it are ", " ; with it come ")
        text += _pick(joint, "p5", second) + _list(brief[1:])
    return text + " . " + _situation(e, _pick((0, 3, 1), "s5", first)) + " ."


def _own_risk(e: Evidence, s: Speaker, told: list[int], plan: int, second: str) -> str:
    """The same plans where the first fact is the alert's own risk, which is its situation."""
    risk, rest = SUBJECTS[e.facts[0].signal], told[1:]
    urgent = _before(e)
    brief = [s.brief(i) for i in rest]
    if plan == 0:
        return f"{urgent}{risk} " + _pick(("is now", "has reached", "is"), "o0", second) + " {f0}" + _pick((" , with ", " ; seen with "), "o0b", second) + _list(brief) + " ."
    if plan == 1:
        text = s.moved(rest[0])
        if len(rest) > 1:
            text += _pick((" , with ", " , alongside ", " , together with "), "p1", second) + _list(brief[1:])
        return f"{text} . {urgent}{risk} " + _pick(("is now", "is"), "o1", second) + " {f0} ."
    if plan == 2:
        heading = s.heading(rest)
        course = f"{heading} : {_list([s.brief(i) for i in rest])}" if heading else _list([s.moved(i) for i in rest])
        return f"{course} . {urgent}{risk} " + _pick(("is now", "has reached"), "o2", second) + " {f0} ."
    if plan == 3:
        text = f"{urgent}{risk} " + _pick(("is", "is now"), "o3", second) + " {f0} . " + s.stated(rest[0])
        if len(rest) > 1:
            text += " and " + s.stated(rest[1])
        return text + "".join(" . " + s.moved(i) for i in rest[2:]) + " ."
    if plan == 4:
        text = f"{urgent}{risk} {{f0}}" + _led(e.facts[rest[0]]) + brief[0]
        if len(rest) > 1:
            text += _pick((" , then ", " , followed by ", " , with "), "p4b", second) + _list(brief[1:])
        return text + " ."
    come = _pick(("goes with", "comes with"), "o5", second) if len(rest) == 1 else _pick(("go with", "come with"), "o5", second)
    return f"{urgent}{_list(brief)} {come} a {risk} of {{f0}} ."


# ---- what follows ----


def emphasised(e: Evidence) -> int | None:
    """The further fact to tell: of the organ system that deviates most, else the next one in order."""
    later = range(_drivers(e), len(e.facts))
    if not later or e.clears or e.certainty:
        return None
    if e.state is not None:
        for group in e.state.groups:
            for i in later:
                if GROUP[e.facts[i].signal] == group:
                    return i
    return later[0]


def _drivers(e: Evidence) -> int:
    """How many facts the first sentences tell: the first three, and one more after a model's own risk."""
    own = e.facts[0].signal == OWN_RISK.get(e.kind)
    return min(len(e.facts), 4 if own and not e.clears and not e.certainty else 3)


def _also(e: Evidence, s: Speaker, i: int) -> str:
    signal, way = e.facts[i].signal, _plan(e)
    if e.facts[i].band.startswith("critical"):
        return _pick((f"of note , {s.stated(i)} .", f"of note , {s.moved(i)} ."), "also", signal)
    if e.facts[i].band in ("normal", "unknown") and not _moves(e.facts[i]):
        return f"also {s.brief(i)} ." if way in (0, 3, 5) else f"{s.stated(i)} ."
    if way in (0, 3):
        return _pick((f"also {s.brief(i)} .", f"of note , {s.stated(i)} ."), "also", signal)
    if way in (1, 4):
        return _pick((f"{s.moved(i)} as well .", f"alongside this , {s.moved(i)} ."), "also", signal)
    return _pick((f"{s.stated(i)} too .", f"in the background , {s.stated(i)} ."), "also", signal)


def _sure(e: Evidence) -> str:
    out = []
    if "unfamiliar" in e.certainty:
        out.append(_pick(("the picture is unfamiliar to the model .", "this is an unusual picture for the model ."), "far", e.facts[0].signal))
    if "unsure" in e.certainty:
        out.append(_pick(("the model is unsure here .", "the model is uncertain here ."), "unsure", e.facts[0].signal))
    return " ".join(out)


def _clears(e: Evidence) -> str:
    if not e.clears:
        return ""
    opener = _pick(("would clear with", "clears with"), "clears", e.kind, e.clears[0][0])
    words = {"at_least": "at or above", "at_most": "at or below"}
    return opener + " " + " and ".join(f"{SUBJECTS[s]} {words[b]} {{c{i}}}" for i, (s, b) in enumerate(e.clears)) + " ."


def _missing(e: Evidence) -> str:
    """What was not there: two names where there is room."""
    crowded = len(e.facts) >= 3 or e.clears or e.certainty
    told = [SUBJECTS[s] for s in e.missing[: 1 if crowded and (e.clears or e.certainty or len(e.facts) > 4) else 2]]
    if not told:
        return ""
    if len(told) == 1:
        return _pick(("missing : {} .", "still missing : {} .", "judged without {} .", "seen without a recent {} ."), "missing", e.missing[0]).format(told[0])
    return _pick(("missing : {} .", "still missing : {} .", "judged without {} .", "seen without recent {} ."), "missing", e.missing[0]).format(" and ".join(told))


def say(e: Evidence) -> list[str]:
    """The rationale, as word tokens."""
    s = Speaker(e)
    first, more = _first_sentences(e, s, list(range(_drivers(e)))), emphasised(e)
    parts = [first, _also(e, s, more) if more is not None else "", _sure(e), _clears(e), _missing(e)]
    # What is too long loses what was missing first, then the further fact, then what the model says of itself.
    for leave_out in ((), (4,), (1, 4), (1, 2, 4)):
        words = " ".join(p for i, p in enumerate(parts) if p and i not in leave_out).split()
        if len(words) < MAX_NEW_TOKENS - 2 and sum(w[0].isalnum() or w[0] == "{" for w in words) <= MAX_WORDS - 4:
            break
    return words


def slots() -> set[str]:
    return {f"{{f{i}}}" for i in range(SLOTS)}
