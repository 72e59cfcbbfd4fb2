"""Step 6: writes the narrator bundle and measures how faithful it is.

    python -m bedwatch_training.export_narrator --work DIR --out inference/models/narrator-v1 [--held-out 2000]

The figures come from the bundle's own decoder.onnx run with a key-value cache,
greedy and unconstrained: the engine's constrained decoding and checker stand
behind it, not in front of these numbers.
"""

import argparse
import json
import random
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from . import SEED
from .bundle import OPSET, export, write_json, write_manifest
from .export_encoder import session
from .narrator_check import faults, shape
from .narrator_grammar import Evidence, Fact, corpus_words, evidence
from .narrator_model import Narrator, Vocabulary
from .narrator_words import MAX_NEW_TOKENS, MAX_WORDS, MISSING, SLOTS, lexicon
from .pack import pack_int8
from .train_narrator import draw

FLIP = {"rising": "falling", "falling": "rising"}


def write_tokenizer(vocabulary: Vocabulary, path: Path):
    """WordLevel over whitespace; prompt tokens are added special tokens with the same ids."""
    tokenizer = Tokenizer(models.WordLevel(vocab=vocabulary.ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(w, special=True, normalized=False) for w in vocabulary.special])
    tokenizer.save(str(path))
    again, rng = Tokenizer.from_file(str(path)), random.Random(SEED)
    for _ in range(200):
        prompt = evidence(rng).prompt()
        assert again.encode(" ".join(prompt)).ids == vocabulary.encode(prompt)
    assert again.get_vocab_size() == len(vocabulary.words)
    assert again.encode(" ".join(corpus_words())).ids == vocabulary.encode(corpus_words())


def export_decoder(model: Narrator, path: Path):
    """The decoder in the Hugging Face layout, traced with a past of three."""
    c = model.c
    cache = [f"{i}.{k}" for i in range(c.n_layer) for k in ("key", "value")]
    inputs = ["input_ids", "attention_mask", "position_ids"] + [f"past_key_values.{n}" for n in cache]
    outputs = ["logits"] + [f"present.{n}" for n in cache]
    axes = {n: {0: "batch", 1: "sequence"} for n in ("input_ids", "position_ids", "logits")}
    axes["attention_mask"] = {0: "batch", 1: "total"}
    axes |= {n: {0: "batch", 2: "past"} for n in inputs[3:]} | {n: {0: "batch", 2: "total"} for n in outputs[1:]}
    past = [torch.zeros(1, c.n_head, 3, c.head_dim) for _ in cache]
    example = (torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 7, dtype=torch.long), torch.arange(3, 7)[None], *past)
    export(model, path, example, inputs, outputs, axes)
    return inputs, outputs


class Decoder:
    """Greedy decoding through ONNX Runtime, as the engine does it."""

    def __init__(self, path: Path, config, eos: int):
        self.graph, self.config, self.eos = session(path), config, eos

    def greedy(self, prompts: list[list[int]]) -> list[list[int]]:
        """Continuations of prompts of one length, without the closing eos."""
        c, rows = self.config, len(prompts)
        ids = np.array(prompts, dtype=np.int64)
        names = [f"past_key_values.{i}.{k}" for i in range(c.n_layer) for k in ("key", "value")]
        past = [np.zeros((rows, c.n_head, 0, c.head_dim), dtype=np.float32) for _ in names]
        at, out, done = 0, [[] for _ in prompts], np.zeros(rows, dtype=bool)
        for _ in range(MAX_NEW_TOKENS):
            position = np.tile(np.arange(at, at + ids.shape[1], dtype=np.int64), (rows, 1))
            at += ids.shape[1]
            feeds = {"input_ids": ids, "attention_mask": np.ones((rows, at), dtype=np.int64), "position_ids": position}
            logits, *past = self.graph.run(None, feeds | dict(zip(names, past)))
            ids = logits[:, -1].argmax(-1)[:, None].astype(np.int64)
            done |= ids[:, 0] == self.eos
            if done.all():
                break
            for row in np.flatnonzero(~done):
                out[row].append(int(ids[row, 0]))
        return out


def speak(decoder: Decoder, vocabulary: Vocabulary, evidences: list[Evidence], batch=64) -> list[list[str]]:
    """Words of each evidence, in order."""
    by_length, out = defaultdict(list), [None] * len(evidences)
    for i, e in enumerate(evidences):
        by_length[len(e.prompt())].append(i)
    for indices in by_length.values():
        for at in range(0, len(indices), batch):
            part = indices[at : at + batch]
            texts = decoder.greedy([vocabulary.encode(evidences[i].prompt()) for i in part])
            for i, text in zip(part, texts):
                out[i] = vocabulary.decode(text)
    return out


def kind_of(reason: str) -> str:
    """The class of a fault, for counting."""
    for start, name in (("subject", "wrong subject"), ("trend word", "wrong trend"), ("band word", "wrong band"), ("driver", "driver not told")):
        if reason.startswith(start):
            return name
    return "not missing" if reason.endswith("not missing") else "trend not said" if reason.endswith("not said") else reason.split(" {")[0]


def flips(decoder, vocabulary, evidences) -> tuple[int, int]:
    """Of evidences whose first trend is reversed: (how many, how many say the new direction about the first fact)."""
    turned = []
    for e in evidences:
        if e.facts[0].trend in FLIP:
            first = Fact(e.facts[0].signal, e.facts[0].band, FLIP[e.facts[0].trend])
            turned.append(Evidence(e.kind, e.priority, (first, *e.facts[1:]), e.missing))
    good = sum(not faults(e, words) for e, words in zip(turned, speak(decoder, vocabulary, turned)))
    return len(turned), good


def repeated(evidences) -> list[Evidence]:
    """Evidences of a shape the grammar never draws: the second fact is of the first one's signal again."""
    out = []
    for e in evidences:
        if len(e.facts) > 1:
            again = Fact(e.facts[0].signal, e.facts[1].band, e.facts[1].trend)
            out.append(Evidence(e.kind, e.priority, (e.facts[0], again, *e.facts[2:]), e.missing))
    return out


def measure(decoder, vocabulary, count: int) -> dict:
    """All figures of the card, on held-out evidences."""
    evidences = draw(random.Random(SEED + 2), count, held=True)
    texts = speak(decoder, vocabulary, evidences)
    found = [faults(e, t) for e, t in zip(evidences, texts)]
    reasons = Counter(r for f in found for r in {kind_of(r) for r in f})
    alone = evidences[:40]
    began, tokens = time.process_time(), 0
    same = 0
    for e, words in zip(alone, texts):
        text = vocabulary.decode(decoder.greedy([vocabulary.encode(e.prompt())])[0])
        same += text == words
        tokens += len(text) + 1
    seconds = time.process_time() - began
    odd = repeated(evidences[:400])
    odd_good = sum(not faults(e, words) for e, words in zip(odd, speak(decoder, vocabulary, odd)))
    turned, good = flips(decoder, vocabulary, evidences)
    return {
        "held_out": count,
        "faithful": sum(not f for f in found),
        "unsupported_claims": sum(any(not r.startswith(("driver", "no end", "too long")) and not r.endswith("not said") for r in f) for f in found),
        "advice_words": sum(any(r.startswith("advice") for r in f) for f in found),
        "top3_told": sum("driver not told" not in f for f in found),
        "shapes": len({shape(t) for t in texts}),
        "longest_words": max(map(len, texts)),
        "reasons": dict(reasons.most_common()),
        "trend_flipped": turned,
        "trend_flipped_followed": good,
        "repeated_signal": len(odd),
        "repeated_signal_faithful": odd_good,
        "alone_same_as_batched": f"{same} of {len(alone)}",
        "cpu_ms_per_64_tokens": round(1000 * seconds / tokens * 64, 1),
        "examples": [" ".join(t) for t in texts[:6]],
    }


def manifest(model: Narrator, vocabulary: Vocabulary, inputs, outputs) -> dict:
    c = model.c
    return {
        "format": "bedwatch-bundle-1",
        "kind": "narrator",
        "name": "narrator-v1",
        "version": "1.0.0",
        "licence": "Apache-2.0",
        "training_data": "synthetic: a seeded grammar over coded evidences (bedwatch_training.narrator_grammar); no patient data",
        "n_layer": c.n_layer,
        "n_head": c.n_head,
        "head_dim": c.head_dim,
        "n_positions": c.n_positions,
        "vocab_size": c.vocab_size,
        "bos_id": vocabulary.bos,
        "eos_id": vocabulary.eos,
        "pad_id": vocabulary.pad,
        "max_new_tokens": MAX_NEW_TOKENS,
        "max_words": MAX_WORDS,
        "max_facts": SLOTS,
        "max_missing": MISSING,
        "onnx": {"file": "decoder.onnx", "opset": OPSET, "inputs": inputs, "outputs": outputs},
        "tokenizer": {"file": "tokenizer.json"},
        "lexicon": {"file": "lexicon.json"},
    }


CARD = """# narrator-v1

A small decoder that puts a coded evidence into one or two sentences of clinical English with slots (`{{f0}}`): it picks words and order,
the engine prints the values. Research software; its text explains an alert that was decided without it.

- Shape: {parameters} parameters, {c.n_layer} layers, {c.n_head} heads of {c.head_dim}, {c.vocab_size} word tokens, {c.n_positions} positions; Hugging Face layout,
  ONNX opset 18. Weights are stored as int8 with per-column scales and unpacked to fp32 when the file is loaded ({size:.1f} MB).
- Prompt: `<bos> <kind:..> <priority:..>`, then `<fact:i> <sig:..> <band:..> <trend:..>` for i = 0..11, then, only if something is missing,
  `<missing> <sig:..>` (up to 4), then `<say>`. Codes only: no free text can enter.
- Words the checker and the constrained decoder need: `lexicon.json`.

## Data

A seeded grammar (`inference/training/bedwatch_training/narrator_grammar.py`, seed {seed}); no patient data, no text written by anyone. Wording is a
function of the evidence; half of the evidences pair any signals, bands and trends with any alert, so that unusual evidence is not unusual to the model.
A tenth of all evidences (by hash of the prompt) is never trained on. Weights: Apache-2.0.

## Figures

On {m[held_out]} held-out evidences, greedy, **without** constrained decoding, judged by `narrator_check.py`, which shares the word lists and nothing else with
the grammar:

| what | result |
|---|---|
| faithful (every check passed) | {m[faithful]} of {m[held_out]} ({rate:.2%}) |
| texts with an unsupported claim | {m[unsupported_claims]} |
| texts with advice words | {m[advice_words]} |
| the first three drivers all told | {m[top3_told]} |
| first trend reversed in the prompt: new text faithful | {m[trend_flipped_followed]} of {m[trend_flipped]} |
| a signal twice in one evidence (never in the corpus): faithful | {m[repeated_signal_faithful]} of {m[repeated_signal]} |
| distinct texts after taking out subjects, slots and state words | {m[shapes]} |
| longest text, words | {m[longest_words]} |
| same words alone and in a batch of 64 | {m[alone_same_as_batched]} |
| CPU time for 64 tokens, one thread, Python loop | {m[cpu_ms_per_64_tokens]} ms |

Faults by kind: {reasons}.

## Examples

{examples}

## Known failures

- It says what the grammar can say: at most four facts, in their order, and at most two missing signals. It does not weigh, explain or connect them.
- The held-out evidences come from the same generator as the corpus; prompts of another shape (more than 12 facts, an empty `<missing>`, unknown signals)
  are outside what it knows. The engine therefore constrains it and checks its words; what fails is replaced by the template.
- Sentences are correct rather than elegant. English only.

## Intended use

Wording of bedwatch alerts beside their evidence. It has no influence on risk, priority or recipients, and gives no advice.
"""


def card(m: dict, model: Narrator, size: int) -> str:
    parameters = sum(p.numel() for p in model.parameters())
    reasons = ", ".join(f"{k} {v}" for k, v in m["reasons"].items()) or "none"
    examples = "\n".join(f"- {e}" for e in m["examples"])
    return CARD.format(m=m, c=model.c, parameters=parameters, size=size / 1e6, seed=SEED, rate=m["faithful"] / m["held_out"], reasons=reasons, examples=examples)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--held-out", type=int, default=2000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary()
    saved = torch.load(args.work / "narrator.pt", weights_only=False)
    model = Narrator(saved["config"])
    model.load_state_dict(saved["state"])
    model.eval()
    if model.c.vocab_size != len(vocabulary.words):
        raise SystemExit("narrator.pt was trained with other words; train again")
    inputs, outputs = export_decoder(model, args.out / "decoder.onnx")
    pack_int8(args.out / "decoder.onnx")
    write_tokenizer(vocabulary, args.out / "tokenizer.json")
    write_json(args.out / "config.json", {"model_type": "bedwatch-narrator", **model.c.as_dict(), "bos_token_id": vocabulary.bos, "eos_token_id": vocabulary.eos})
    write_json(args.out / "lexicon.json", lexicon())
    decoder = Decoder(args.out / "decoder.onnx", model.c, vocabulary.eos)
    cases = []
    for e in draw(random.Random(SEED + 3), 5, held=True):
        ids = decoder.greedy([vocabulary.encode(e.prompt())])[0]
        cases.append({"prompt": " ".join(e.prompt()), "prompt_ids": vocabulary.encode(e.prompt()), "output_ids": ids + [vocabulary.eos], "output": " ".join(vocabulary.decode(ids))})
    write_json(args.out / "parity.json", {"cases": cases})
    write_manifest(args.out, manifest(model, vocabulary, inputs, outputs), ["decoder.onnx", "tokenizer.json", "config.json", "lexicon.json", "parity.json"])
    metrics = measure(decoder, vocabulary, args.held_out)
    write_json(args.work / "narrator-metrics.json", metrics)
    (args.out / "MODEL_CARD.md").write_text(card(metrics, model, (args.out / "decoder.onnx").stat().st_size))
    print(json.dumps(metrics, indent=1))


if __name__ == "__main__":
    main()
