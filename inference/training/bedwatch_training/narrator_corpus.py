"""The narrator's corpus: evidences of the engine and of the generator, each with its embedding or none."""

import random
import zlib
from dataclasses import dataclass, replace

import numpy as np

from .narrator_evidence import account, evidence, missing_of
from .narrator_grammar import PLANS, Evidence, Fact, State, say, slots
from .narrator_state import States
from .narrator_words import BANDS, BOUND_WORDS, CHANGES, GROUPS, KINDS, PRIORITIES, SUBJECTS, TRENDS

FLIP = {"rising": "falling", "falling": "rising"}


@dataclass(frozen=True)
class Pair:
    """An evidence and the embedding it came with; None where the narrator gets none."""

    evidence: Evidence
    vector: np.ndarray | None = None


def held_out(e: Evidence) -> bool:
    """True for the tenth of all evidences that training never sees."""
    return zlib.crc32(" ".join(e.prompt()[2:]).encode()) % 10 == 0


class Corpus:
    """Draws pairs: half are evidences of the engine, changed a little, the others come from the generator."""

    def __init__(self, evidences: list[Evidence], vectors: np.ndarray, states: States):
        self.evidences, self.vectors = evidences, vectors
        self.states = states.of(vectors)

    def _real(self, rng: random.Random) -> Evidence:
        """An engine's evidence with what it may also have had: other trends, another priority, an account."""
        e = self.evidences[rng.randrange(len(self.evidences))]
        facts = list(e.facts)
        for i, f in enumerate(facts):
            if f.trend in FLIP and rng.random() < 0.1:
                facts[i] = replace(f, trend=FLIP[f.trend])
            if f.trend in FLIP and rng.random() < 0.2:
                facts[i] = replace(facts[i], new=not f.new)
        if rng.random() < 0.2:
            facts = facts[: rng.randrange(1, len(facts) + 1)]
        if rng.random() < 0.2:
            tail = facts[1:]
            rng.shuffle(tail)
            facts = facts[:1] + tail
        clears, certainty = account(rng, e.kind, facts) if not (e.clears or e.certainty) else (e.clears, e.certainty)
        missing = missing_of(rng, facts) if rng.random() < 0.2 else e.missing
        priority = rng.choice(list(PRIORITIES)) if rng.random() < 0.3 else e.priority
        return Evidence(e.kind, priority, tuple(facts), missing, clears, certainty)

    def draw(self, rng: random.Random, held: bool) -> Pair:
        """One pair of the held-out or of the training kind. The state is the embedding's, whatever the evidence."""
        while True:
            e = self._real(rng) if rng.random() < 0.5 else evidence(rng)
            at = rng.randrange(len(self.vectors)) if rng.random() < 0.75 else None
            if held_out(e) == held:
                state = None if at is None else self.states[at]
                return Pair(replace(e, state=state), None if at is None else self.vectors[at])


def corpus_words() -> list[str]:
    """Every word the grammar can say, sorted: everything is swept, so none is met by luck."""
    words = slots() | {f"{{c{i}}}" for i in range(CHANGES)} | {w for v in BOUND_WORDS.values() for p in v for w in p.split()}
    states = [None] + [State(plan, GROUPS) for plan in range(PLANS)]
    signals = list(SUBJECTS)
    for kind in KINDS:
        for i, signal in enumerate(signals):
            other, third = signals[(i * 7 + 3) % len(signals)], signals[(i * 11 + 5) % len(signals)]
            for n, state in enumerate(states):
                priority = list(PRIORITIES)[(i + n) % 3]
                f = [Fact(s, BANDS[(i + j) % 6], TRENDS[(i + n + j) % 4]) for j, s in enumerate((signal, other, third, signals[(i * 13 + 1) % len(signals)]))]
                for k in range(1, 5):
                    words.update(say(Evidence(kind, priority, tuple(f[:k]), (signal,) if k == 1 else (other, signal), state=state)))
    for signal in signals:
        for band in BANDS:
            for trend in TRENDS:
                moving = trend in FLIP
                for state in states[::2]:
                    words.update(say(Evidence("sepsis", "low", (Fact(signal, band, trend, moving),), state=state)))
        account_of = ((signal, "at_least"), ("lactate", "at_most"))
        words.update(say(Evidence("sepsis", "high", (Fact(signal, "low", "rising"),), (), account_of, ("unfamiliar", "unsure"))))
    return sorted(words)
