"""An independent reader of narrator output: does every word stand in the evidence?

It shares only the word lists with the grammar and knows none of its shapes.
"""

from .narrator_grammar import TOLD, Evidence
from .narrator_words import BAND_WORDS, FORBIDDEN, MAX_WORDS, SUBJECTS, TREND_WORDS

CLAUSE_END = {",", ";", ".", ":"}
TREND_OF = {w: d for d, words in TREND_WORDS.items() for w in words}
BANDS_OF = {w: v["bands"] for v in BAND_WORDS.values() for w in v["words"]}


def _ends_with(words: list[str], phrase: str) -> bool:
    want = phrase.split()
    return words[-len(want) :] == want


def _missing_named(words: list[str]) -> list[str]:
    """Signals named after a missing opener, longest phrase first; unknown words there are returned as '?word'."""
    phrases = sorted(((p.split(), s) for s, p in SUBJECTS.items()), key=lambda x: -len(x[0]))
    out, i = [], 0
    while i < len(words):
        for phrase, signal in phrases:
            if words[i : i + len(phrase)] == phrase:
                out.append(signal)
                i += len(phrase)
                break
        else:
            if words[i] not in ("and", ":", "here", "recent", ","):
                out.append("?" + words[i])
            i += 1
    return out


def faults(e: Evidence, words: list[str]) -> list[str]:
    """Reasons why `words` may not be shown for `e`; empty when faithful."""
    out, current, told, sentence_missing = [], None, [], None
    if len(words) > MAX_WORDS:
        out.append("too long")
    if not words or words[-1] != ".":
        out.append("no end")
    for i, word in enumerate(words):
        if word.startswith("{f"):
            n = int(word[2:-1])
            if n >= len(e.facts):
                out.append(f"no such fact {word}")
                continue
            if not _ends_with(words[:i], SUBJECTS[e.facts[n].signal]):
                out.append(f"subject before {word} is not {e.facts[n].signal}")
            if n in told:
                out.append(f"{word} twice")
            if sentence_missing is not None:
                out.append("slot among missing")
            told.append(n)
            current = e.facts[n]
        elif word in CLAUSE_END:
            current = None
            if word == "." and sentence_missing is not None:
                named = _missing_named(words[sentence_missing + 1 : i])
                out += [f"{s} not missing" for s in named if s not in e.missing]
                if not named:
                    out.append("nothing named missing")
                sentence_missing = None
        elif word in TREND_OF and (current is None or current.trend != TREND_OF[word]):
            out.append(f"trend word {word}")
        elif word in BANDS_OF and (current is None or current.band not in BANDS_OF[word]):
            out.append(f"band word {word}")
        elif word in ("missing", "without"):
            sentence_missing = i
        if word in FORBIDDEN:
            out.append(f"advice {word}")
        if not word.startswith("{f") and any(c.isdigit() for c in word):
            out.append(f"digit in {word}")
    if any(i not in told for i in range(min(3, TOLD, len(e.facts)))):
        out.append("driver not told")
    # A trend known for a told fact must be said: flipping it must flip the words.
    for n in told:
        if e.facts[n].trend in TREND_WORDS and not _trend_said(words, n):
            out.append(f"trend of {{f{n}}} not said")
    return out


def _trend_said(words: list[str], n: int) -> bool:
    at = words.index(f"{{f{n}}}") + 1
    while at < len(words) and words[at] not in CLAUSE_END and not words[at].startswith("{f"):
        if words[at] in TREND_OF:
            return True
        at += 1
    return False


def shape(words: list[str]) -> str:
    """The sentence with subjects, slots and state words taken out."""
    text = " " + " ".join(words) + " "
    for phrase in sorted(SUBJECTS.values(), key=lambda p: -len(p)):
        text = text.replace(f" {phrase} ", " S ")
    out = []
    for word in text.split():
        out.append("T" if word in TREND_OF else "B" if word in BANDS_OF else "F" if word.startswith("{f") else word)
    return " ".join(out)
