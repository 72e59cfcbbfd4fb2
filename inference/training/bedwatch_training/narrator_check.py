"""An independent reader of narrator output: does every word stand in the evidence?

It shares only the word lists with the grammar and knows none of its shapes.
It reads phrase by phrase (longest first) and keeps what the clause is about.
"""

from .narrator_grammar import Evidence
from .narrator_words import (
    BAND_WORDS, BOUND_WORDS, CERTAINTY_WORDS, CLEARS_OPENERS, FORBIDDEN, GENERAL, KINDS, MAX_WORDS, MISSING_OPENERS, PLAIN_WORDS, PRIORITIES,
    RECENT, SLOT_WORDS, SUBJECTS, TREND_WORDS,
)  # fmt: skip

CLAUSE_END = {",", ";", ".", ":"}


def _terms() -> list[tuple[list[str], str, object]]:
    """Every phrase with what it claims, longest first."""
    out = [(p, "subject", (s,)) for s, p in SUBJECTS.items()] + [(p, "subject", v) for p, v in GENERAL.items()]
    out += [(w, "trend", d) for d, words in TREND_WORDS.items() for w in words]
    out += [(w, "band", v["bands"]) for v in BAND_WORDS.values() for w in v["words"]]
    out += [(w, "kind", k) for k, words in KINDS.items() for w in words]
    out += [(w, "recent", None) for w in RECENT] + [(w, "bound", b) for b, words in BOUND_WORDS.items() for w in words]
    out += [(w, "certainty", c) for c, words in CERTAINTY_WORDS.items() for w in words]
    out += [(w, "missing", None) for w in MISSING_OPENERS] + [(w, "clears", None) for w in CLEARS_OPENERS]
    out += [(w, "plain", None) for w in PLAIN_WORDS] + [(w, "plain", None) for words in PRIORITIES.values() for w in words]
    return sorted(((p.split(), c, v) for p, c, v in out), key=lambda t: -len(t[0]))


TERMS = _terms()


class _Reader:
    """The state of reading one text."""

    def __init__(self, e: Evidence):
        self.e, self.out = e, []
        self.subject, self.told, self.mode = (), None, ""
        self.seen, self.trends, self.changes = [], {}, []

    def current(self):
        if self.told is not None:
            return [self.told]
        return [i for i, f in enumerate(self.e.facts) if f.signal in self.subject]

    def slot(self, word):
        n, of = int(word[2:-1]), word[1]
        if of == "c":
            ok = self.mode == "clears" and n < len(self.e.clears) and self.e.clears[n][0] in self.subject and n not in self.changes
            self.changes.append(n)
            if not ok:
                self.out.append(f"wrong {word}")
            return
        if n >= len(self.e.facts):
            self.out.append(f"no such fact {word}")
        elif self.mode or self.told is not None or self.e.facts[n].signal not in self.subject:
            self.out.append(f"subject before {word} is not {self.e.facts[n].signal}")
        elif n in self.seen:
            self.out.append(f"{word} twice")
        else:
            self.seen.append(n)
            self.trends.setdefault(n, set()).update(self.trends.pop("clause", ()))
            self.told = n

    def end(self, word):
        if self.mode == "missing" and word == "." and not self.subject:
            self.out.append("nothing named missing")
        self.subject = self.subject if self.mode == "missing" and word != "." else ()
        self.told = None
        self.trends.pop("clause", None)
        if word == ".":
            self.mode = ""

    def term(self, claim, value, phrase):
        facts = self.e.facts
        if claim == "subject":
            known = {"missing": self.e.missing, "clears": [s for s, _ in self.e.clears]}.get(self.mode, [f.signal for f in facts])
            if not set(known) & set(value):
                self.out.append(f"{phrase} not {self.mode or 'a fact'}")
            self.subject, self.told = value, None
            self.trends.pop("clause", None)
        elif claim == "trend":
            backed = [i for i in self.current() if facts[i].trend == value]
            if not backed or self.mode:
                self.out.append(f"trend word {phrase}")
            for i in backed:
                self.trends.setdefault(i, set()).add(value)
        elif claim == "band" and (self.mode or not any(facts[i].band in value for i in self.current())):
            self.out.append(f"band word {phrase}")
        elif claim == "recent" and (self.mode or not any(facts[i].new for i in self.current())):
            self.out.append(f"recent {phrase}")
        elif claim == "kind" and value != self.e.kind:
            self.out.append(f"condition {phrase}")
        elif claim == "bound" and (self.mode != "clears" or not any(s in self.subject and b == value for s, b in self.e.clears)):
            self.out.append(f"bound {phrase}")
        elif claim == "certainty" and value not in self.e.certainty:
            self.out.append(f"certainty {phrase}")
        elif claim in ("missing", "clears"):
            self.mode, self.subject, self.told = claim, (), None


def faults(e: Evidence, words: list[str]) -> list[str]:
    """Reasons why `words` may not be shown for `e`; empty when faithful."""
    reader, at = _Reader(e), 0
    while at < len(words):
        word = words[at]
        if word.startswith("{"):
            reader.slot(word)
        elif word in CLAUSE_END:
            reader.end(word)
        elif word not in ("(", ")"):
            term = next((t for t in TERMS if words[at : at + len(t[0])] == t[0]), None)
            if term is None:
                reader.out.append(f"advice {word}" if word in FORBIDDEN else f"unknown {word}")
            else:
                reader.term(term[1], term[2], " ".join(term[0]))
                at += len(term[0]) - 1
        at += 1
    out = reader.out
    if count(words) > MAX_WORDS:
        out.append("too long")
    if not words or words[-1] != ".":
        out.append("no end")
    if any(i not in reader.seen for i in range(min(3, len(e.facts)))):
        out.append("driver not told")
    if len(reader.changes) != len(e.clears):
        out.append("clears not told")
    # A trend known for a told fact must be said: flipping it must flip the words.
    out += [f"trend of {{f{n}}} not said" for n in reader.seen if e.facts[n].trend in ("rising", "falling") and e.facts[n].trend not in reader.trends.get(n, ())]
    return out


def count(words: list[str]) -> int:
    """Words as the engine's checker counts them at most: a printed value brings its "at"."""
    return sum(SLOT_WORDS if w.startswith("{") else w[0].isalnum() for w in words)


def shape(words: list[str]) -> str:
    """The text with subjects, slots, band and trend words, kinds and priorities each replaced by a class tag."""
    tags = {"subject": "S", "trend": "T", "band": "B", "kind": "K"}
    urgent, out, at = {w for v in PRIORITIES.values() for w in v}, [], 0
    while at < len(words):
        term = next((t for t in TERMS if words[at : at + len(t[0])] == t[0]), None)
        if words[at].startswith("{"):
            out.append("F")
        elif term and (term[1] in tags or words[at] in urgent):
            tag = tags.get(term[1], "P")
            if not (tag == "B" and out and out[-1] == "B"):
                out.append(tag)
            at += len(term[0]) - 1
        else:
            out.append(words[at])
        at += 1
    return " ".join(out)
