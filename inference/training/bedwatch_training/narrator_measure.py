"""How the exported narrator speaks by itself: greedy through ONNX Runtime with a cache, without the engine's constraint.

The engine's constrained decoding and checker stand behind these figures, not
in front of them; `bedwatch evidence score` measures the whole path.
"""

import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from .narrator_check import count, faults, shape
from .narrator_corpus import FLIP, Pair
from .narrator_grammar import PLANS, Evidence, Fact, State, emphasised, say
from .narrator_model import Config, Vocabulary
from .narrator_words import MAX_NEW_TOKENS


def session(path: Path) -> onnxruntime.InferenceSession:
    """The graph on one thread, as the engine runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Decoder:
    """Greedy decoding through ONNX Runtime, as the engine does it."""

    def __init__(self, path: Path, config: Config, eos: int):
        self.graph, self.config, self.eos = session(path), config, eos

    def greedy(self, prompts: list[list[int]], soft: np.ndarray) -> list[list[int]]:
        """Continuations of prompts of one length with soft prompts [B, D], without the closing eos."""
        c, rows = self.config, len(prompts)
        ids = np.array(prompts, dtype=np.int64)
        names = [f"past_key_values.{i}.{k}" for i in range(c.n_layer) for k in ("key", "value")]
        past = [np.zeros((rows, c.n_head, 0, c.head_dim), dtype=np.float32) for _ in names]
        at, out, done = 0, [[] for _ in prompts], np.zeros(rows, dtype=bool)
        for _ in range(MAX_NEW_TOKENS):
            position = np.tile(np.arange(at, at + ids.shape[1], dtype=np.int64), (rows, 1))
            at += ids.shape[1]
            feeds = {"input_ids": ids, "attention_mask": np.ones((rows, at), dtype=np.int64), "position_ids": position, "soft_prompt": soft}
            logits, *past = self.graph.run(None, feeds | dict(zip(names, past)))
            ids = logits[:, -1].argmax(-1)[:, None].astype(np.int64)
            done |= ids[:, 0] == self.eos
            if done.all():
                break
            for row in np.flatnonzero(~done):
                out[row].append(int(ids[row, 0]))
        return out


def soft_prompts(pairs: list[Pair], size: int) -> np.ndarray:
    return np.stack([np.zeros(size, np.float32) if p.vector is None else p.vector for p in pairs])


def speak(decoder: Decoder, vocabulary: Vocabulary, pairs: list[Pair], batch=64) -> list[list[str]]:
    """Words of each evidence, in order."""
    by_length, out = defaultdict(list), [None] * len(pairs)
    for i, p in enumerate(pairs):
        by_length[len(p.evidence.prompt())].append(i)
    for indices in by_length.values():
        for at in range(0, len(indices), batch):
            part = indices[at : at + batch]
            prompts = [vocabulary.encode(pairs[i].evidence.prompt()) for i in part]
            texts = decoder.greedy(prompts, soft_prompts([pairs[i] for i in part], decoder.config.soft_size))
            for i, text in zip(part, texts):
                out[i] = vocabulary.decode(text)
    return out


def kind_of(reason: str) -> str:
    """The class of a fault, for counting."""
    return reason.split(" {")[0].rsplit(" ", 1)[0] if reason.startswith(("trend word", "band word", "subject")) else reason.split(" {")[0]


def flips(decoder, vocabulary, pairs: list[Pair]) -> tuple[int, int]:
    """Of evidences whose first moving fact is turned: (how many, how many texts are faithful to the turned evidence)."""
    turned = []
    for p in pairs:
        i = next((i for i, f in enumerate(p.evidence.facts[:3]) if f.trend in FLIP), None)
        if i is not None:
            facts = list(p.evidence.facts)
            facts[i] = replace(facts[i], trend=FLIP[facts[i].trend])
            turned.append(Pair(replace(p.evidence, facts=tuple(facts)), p.vector))
    good = sum(not faults(p.evidence, words) for p, words in zip(turned, speak(decoder, vocabulary, turned)))
    return len(turned), good


def repeated(pairs: list[Pair]) -> list[Pair]:
    """Evidences of a shape the corpus never has: the second fact is of the first one's signal again."""
    out = []
    for p in pairs:
        facts = p.evidence.facts
        if len(facts) > 1:
            again = Fact(facts[0].signal, facts[1].band, facts[1].trend)
            out.append(Pair(replace(p.evidence, facts=(facts[0], again, *facts[2:])), p.vector))
    return out


def plan_said(e: Evidence, words: list[str], groups: tuple[str, ...]) -> set[int]:
    """The plans whose text begins most like `words`."""
    best, found = 0, set()
    for plan in range(PLANS):
        text = say(replace(e, state=State(plan, groups)))
        same = next((i for i, (a, b) in enumerate(zip(text, words)) if a != b), min(len(text), len(words)))
        if same >= best and same > 0:
            found = {plan} if same > best else found | {plan}
            best = same
    return found


def told_further(e: Evidence, words: list[str]) -> int | None:
    """The last fact told, where it is one of those the embedding chooses among."""
    slots = [int(w[2:-1]) for w in words if w.startswith("{f")]
    return slots[-1] if slots and slots[-1] >= 3 else None


def ablation(decoder, vocabulary, pairs: list[Pair], rng: np.random.Generator) -> dict:
    """Shares of texts with the plan, the further fact, and both as the grammar's that the embedding asks for: with it, without, with another's."""
    order = rng.permutation(len(pairs))
    without = [Pair(replace(p.evidence, state=None)) for p in pairs]
    others = [Pair(p.evidence, pairs[j].vector) for p, j in zip(pairs, order)]
    out = {}
    for name, asked in (("with", pairs), ("without", without), ("another", others)):
        plan = further = choosable = same = 0
        for p, words in zip(pairs, speak(decoder, vocabulary, asked)):
            plan += p.evidence.state.plan in plan_said(p.evidence, words, p.evidence.state.groups)
            want = emphasised(p.evidence)
            if want is not None:
                choosable += 1
                further += told_further(p.evidence, words) == want
            same += words == say(p.evidence)
        out[name] = {"plan": plan / len(pairs), "further_fact": further / max(choosable, 1), "whole_text": same / len(pairs)}
    return out


def spoken(decoder, vocabulary, pairs: list[Pair]) -> dict:
    """Faithfulness of the texts of these evidences."""
    texts = speak(decoder, vocabulary, pairs)
    found = [faults(p.evidence, t) for p, t in zip(pairs, texts)]
    turned, good = flips(decoder, vocabulary, pairs)
    soft = ("driver", "no end", "too long", "clears not told")
    return {
        "texts": len(pairs),
        "faithful": sum(not f for f in found),
        "unsupported_claims": sum(any(not r.startswith(soft) and not r.endswith("not said") for r in f) for f in found),
        "advice_words": sum(any(r.startswith("advice") for r in f) for f in found),
        "top3_told": sum("driver not told" not in f for f in found),
        "shapes": len({shape(t) for t in texts}),
        "longest_words": max(map(count, texts)),
        "trend_flipped": turned,
        "trend_flipped_followed": good,
        "reasons": dict(Counter(r for f in found for r in {kind_of(r) for r in f}).most_common(8)),
    }


def cost(decoder: Decoder, vocabulary: Vocabulary, pairs: list[Pair]) -> tuple[float, float]:
    """(processor ms per 64 tokens one at a time, prompts included; share of texts that are the same as in a batch)."""
    batched = speak(decoder, vocabulary, pairs)
    began, tokens, same = time.process_time(), 0, 0
    for p, words in zip(pairs, batched):
        text = decoder.greedy([vocabulary.encode(p.evidence.prompt())], soft_prompts([p], decoder.config.soft_size))[0]
        same += vocabulary.decode(text) == words
        tokens += len(text) + 1
    return 1000 * (time.process_time() - began) / tokens * 64, same / len(pairs)
