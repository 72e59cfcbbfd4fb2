"""Step 6: writes the narrator bundle and measures how faithful it is.

    python -m bedwatch_training.export_narrator --work DIR --encoder BUNDLE --unseen LINES.ndjson... --out inference/models/narrator-v2

BUNDLE is the encoder or fusion whose embeddings it was trained beside; LINES are written
by `bedwatch evidence export` from stays of split "test" with that bundle.
"""

import argparse
import json
import random
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime.quantization as quantization
import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from . import SEED
from .bundle import OPSET, export, write_json, write_manifest
from .narrator_corpus import Corpus, Pair, corpus_words
from .narrator_evidence import evidence, shuffled_state
from .narrator_measure import Decoder, ablation, cost, repeated, soft_prompts, spoken
from .narrator_model import Narrator, Vocabulary
from .narrator_state import read
from .narrator_words import MAX_NEW_TOKENS, MAX_WORDS, MISSING, SLOTS, lexicon
from .pack import pack_int8


def write_tokenizer(vocabulary: Vocabulary, path: Path):
    """WordLevel over whitespace; prompt tokens are added special tokens with the same ids."""
    tokenizer = Tokenizer(models.WordLevel(vocab=vocabulary.ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(w, special=True, normalized=False) for w in vocabulary.special])
    tokenizer.save(str(path))
    again, rng = Tokenizer.from_file(str(path)), random.Random(SEED)
    for _ in range(200):
        prompt = evidence(rng, shuffled_state(rng)).prompt()
        assert again.encode(" ".join(prompt)).ids == vocabulary.encode(prompt)
    assert again.get_vocab_size() == len(vocabulary.words)
    assert again.encode(" ".join(corpus_words())).ids == vocabulary.encode(corpus_words())


def export_decoder(model: Narrator, path: Path):
    """The decoder in the Hugging Face layout with the extra input soft_prompt, traced with a past of three."""
    c = model.c
    cache = [f"{i}.{k}" for i in range(c.n_layer) for k in ("key", "value")]
    inputs = ["input_ids", "attention_mask", "position_ids", "soft_prompt"] + [f"past_key_values.{n}" for n in cache]
    outputs = ["logits"] + [f"present.{n}" for n in cache]
    axes = {n: {0: "batch", 1: "sequence"} for n in ("input_ids", "position_ids", "logits")}
    axes |= {"attention_mask": {0: "batch", 1: "total"}, "soft_prompt": {0: "batch"}}
    axes |= {n: {0: "batch", 2: "past"} for n in inputs[4:]} | {n: {0: "batch", 2: "total"} for n in outputs[1:]}
    past = [torch.zeros(1, c.n_head, 3, c.head_dim) for _ in cache]
    example = (torch.zeros(1, 4, dtype=torch.long), torch.ones(1, 7, dtype=torch.long), torch.arange(3, 7)[None], torch.zeros(1, c.soft_size), *past)
    export(model, path, example, inputs, outputs, axes)
    return inputs, outputs


def dynamic_int8(fp32: Path, config, vocabulary: Vocabulary, pairs: list[Pair]) -> dict:
    """Size and cost of the same decoder with integer products (MatMulInteger) instead of packed weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decoder.onnx"
        quantization.quantize_dynamic(fp32, path, weight_type=quantization.QuantType.QInt8, per_channel=True)
        ms, same = cost(Decoder(path, config, vocabulary.eos), vocabulary, pairs)
        return {"megabytes": path.stat().st_size / 1e6, "cpu_ms_per_64_tokens": ms, "alone_same_as_batched": same}


def manifest(model: Narrator, vocabulary: Vocabulary, inputs, outputs, encoder: dict) -> dict:
    c = model.c
    return {
        "format": "bedwatch-bundle-1",
        "kind": "narrator",
        "name": "narrator-v2",
        "version": "2.1.0",
        "licence": "Apache-2.0",
        "training_data": "texts of a seeded grammar over coded evidences: synthetic ones, and those the engine collected from PhysioNet/CinC Challenge 2019 sets A and B (CC BY 4.0), train split, with their embeddings",
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
        "soft_prompt": {"size": c.soft_size, "state_id": c.state_id, "encoder": encoder["name"], "encoder_version": encoder["version"]},
        "onnx": {"file": "decoder.onnx", "opset": OPSET, "inputs": inputs, "outputs": outputs},
        "tokenizer": {"file": "tokenizer.json"},
        "lexicon": {"file": "lexicon.json"},
    }  # fmt: skip


CARD = """# narrator-v2

A small decoder that puts a coded evidence into a few sentences of bedside English with slots (`{{f0}}`): it picks words and order, the engine prints
the values. Research software; its text explains an alert that was decided without it.

- Shape: {parameters:,} parameters, {c.n_layer} layers, {c.n_head} heads of {c.head_dim}, {c.vocab_size} word tokens, {c.n_positions} positions; Hugging
  Face layout with one extra input, ONNX opset 18. Weights are int8 with per-column scales, unpacked to fp32 when the file is loaded ({size:.1f} MB).
- Soft prompt: `soft_prompt` [batch, {c.soft_size}], the embedding of {encoder}, projected; it takes the place of the token `<state>`. Without one the
  prompt holds `<nostate>`.
- Prompt: `<bos> <state>|<nostate> <kind:..> <priority:..>`, `<unfamiliar>` and `<unsure>` where the model says so of its own answer, then
  `<fact:i> <sig:..> <band:..> <trend:..>` with `<new>` where the trend was seen within the hour (up to {slots} facts), `<clears> <sig:..> <bound:..>`,
  `<missing> <sig:..>`, `<say>`. Codes only: no free text can enter.
- Words the checker and the constrained decoder need: `lexicon.json`.

## Data

A seeded grammar (`narrator_grammar.py`, seed {seed}); no text written by anyone. The order of the parts follows the structured handovers SBAR and ISBAR
(situation, background, assessment), without a recommendation: the situation and its urgency, what drives it, what changed within the hour, what else
fits, how sure the model is, what would clear it, what was missing. Half of the evidences are those the engine collected from {engine:,} alerts of
training stays (CinC 2019, split "train"), changed a little; the other half is drawn, and a third of those pairs any signals, bands and trends. A tenth
of all (by hash of the prompt) is never trained on. Weights: Apache-2.0.

## Figures

Greedy, **without** constrained decoding, judged by `narrator_check.py`, which shares the word lists and nothing else with the grammar. Unseen stays:
alerts of CinC 2019 stays of split "test", as the engine collected them.

| what | generated, held out | unseen stays |
|---|---|---|
{rows}

The whole path on unseen stays and the simulator's ward (prompt, this file, constrained decoding, the engine's checker) is measured by
`bedwatch evidence score`; see the training README.

| | packed int8 (shipped) | integer products |
|---|---|---|
| size, MB | {size:.1f} | {dynamic[megabytes]:.1f} |
| processor ms for 64 tokens, one thread, prompt included, Python loop | {ms:.0f} | {dynamic[cpu_ms_per_64_tokens]:.0f} |
| same words alone and in a batch | {same:.0%} | {dynamic[alone_same_as_batched]:.0%} |

## What the embedding is for

Six classes of embeddings (k-means on training alerts) each stand for a plan of the text (what comes first) and an order of organ systems (which further
fact is told after the drivers). Neither claims anything, so an embedding of a wrong moment or another encoder makes no text less true. On
{ablated} unseen alerts, shares of texts as the grammar writes them for the alert's own class:

| | own embedding | none | another patient's |
|---|---|---|---|
| plan | {a[with][plan]:.1%} | {a[without][plan]:.1%} | {a[another][plan]:.1%} |
| further fact | {a[with][further_fact]:.1%} | {a[without][further_fact]:.1%} | {a[another][further_fact]:.1%} |
| whole text word for word | {a[with][whole_text]:.1%} | {a[without][whole_text]:.1%} | {a[another][whole_text]:.1%} |

So the narrator does read the embedding. Whether the order it chooses helps anyone at the bedside has not been tried; the classes are clusters, not
diagnoses.

## Examples

Texts with slots, unseen stays:

{examples}

## Known failures

- It says what the grammar can say. It does not weigh or explain; "driven by" names what stands first in the evidence, not a cause.
- A signal twice in one evidence (never in the corpus): {odd_good} of {odd} texts faithful without the constraint.
- Prompts of another shape are outside what it knows. The engine therefore constrains it and checks its words; what fails is replaced by the template.
- English only.

## Intended use

Wording of bedwatch alerts beside their evidence. It has no influence on risk, priority or recipients, and gives no advice.
"""

ROWS = (
    ("faithful (every check passed)", "faithful"),
    ("texts with an unsupported claim", "unsupported_claims"),
    ("texts with advice words", "advice_words"),
    ("the first three drivers all told", "top3_told"),
    ("one trend turned in the prompt: new text faithful", "trend_flipped_followed"),
    ("distinct shapes (subjects, values, bands, trends, kinds, urgencies each one tag)", "shapes"),
    ("longest text, words", "longest_words"),
)


def card(m: dict, model: Narrator, size: int, encoder: dict, engine: int) -> str:
    g, u = m["generated"], m["unseen"]
    of = {"trend_flipped_followed": "trend_flipped", "shapes": "texts", "longest_words": None}
    cell = lambda t, key: f"{t[key]}" if of.get(key, "texts") is None else f"{t[key]} of {t[of.get(key, 'texts')]}"  # noqa: E731
    rows = [f"| {name} | {cell(g, key)} | {cell(u, key)} |" for name, key in ROWS]
    rows.append(f"| faults by kind | {', '.join(f'{k} {v}' for k, v in g['reasons'].items()) or 'none'} | {', '.join(f'{k} {v}' for k, v in u['reasons'].items()) or 'none'} |")
    return CARD.format(
        parameters=sum(p.numel() for p in model.parameters()), c=model.c, size=size / 1e6, seed=SEED, engine=engine, slots=SLOTS, rows="\n".join(rows),
        encoder=f"{encoder['name']} {encoder['version']}", dynamic=m["dynamic_int8"], ms=m["cpu_ms_per_64_tokens"], same=m["alone_same_as_batched"],
        a=m["ablation"], ablated=m["ablated"], odd=m["repeated_signal"], odd_good=m["repeated_signal_faithful"],
        examples="\n".join(f"- {e}" for e in m["examples"]),
    )  # fmt: skip


def unseen_pairs(paths: list[Path], states, most: int) -> list[Pair]:
    """Evidences of unseen stays with their embeddings and states, spread evenly over the files."""
    evidences, vectors = read(paths)
    chosen = np.linspace(0, len(evidences) - 1, min(most, len(evidences))).astype(int)
    of = states.of(vectors)
    return [Pair(replace(evidences[i], state=of[i]), vectors[i]) for i in chosen]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=1000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary()
    saved = torch.load(args.work / "narrator.pt", weights_only=False)
    if saved["words"] != vocabulary.words:
        raise SystemExit("narrator.pt was trained with other words; train again")
    model = Narrator(saved["config"])
    model.load_state_dict(saved["state"])
    model.eval()
    encoder = tomllib.loads((args.encoder / "manifest.toml").read_text())
    pairs = unseen_pairs(args.unseen, saved["states"], args.texts)
    corpus = Corpus([p.evidence for p in pairs], np.stack([p.vector for p in pairs]), saved["states"])
    rng = random.Random(SEED + 2)
    generated = [corpus.draw(rng, held=True) for _ in range(args.texts)]
    path = args.out / "decoder.onnx"
    inputs, outputs = export_decoder(model, path)
    dynamic = dynamic_int8(path, model.c, vocabulary, pairs[:30])
    pack_int8(path)
    write_tokenizer(vocabulary, args.out / "tokenizer.json")
    write_json(args.out / "config.json", {"model_type": "bedwatch-narrator", **model.c.as_dict(), "bos_token_id": vocabulary.bos, "eos_token_id": vocabulary.eos})
    write_json(args.out / "lexicon.json", lexicon())
    decoder = Decoder(path, model.c, vocabulary.eos)
    cases = []
    for p in generated[:6]:
        soft = soft_prompts([p], model.c.soft_size).round(4)
        ids = decoder.greedy([vocabulary.encode(p.evidence.prompt())], soft)[0]
        cases.append({"prompt": " ".join(p.evidence.prompt()), "prompt_ids": vocabulary.encode(p.evidence.prompt()), "soft_prompt": [round(float(x), 4) for x in soft[0]],
                      "output_ids": ids + [vocabulary.eos], "output": " ".join(vocabulary.decode(ids))})  # fmt: skip
    write_json(args.out / "parity.json", {"cases": cases})
    write_manifest(args.out, manifest(model, vocabulary, inputs, outputs, encoder), ["decoder.onnx", "tokenizer.json", "config.json", "lexicon.json", "parity.json"])
    ms, same = cost(decoder, vocabulary, pairs[:30])
    odd = repeated(generated[:400])
    metrics = {
        "generated": spoken(decoder, vocabulary, generated),
        "unseen": spoken(decoder, vocabulary, pairs),
        "ablation": ablation(decoder, vocabulary, pairs, np.random.default_rng(SEED)),
        "ablated": len(pairs),
        "dynamic_int8": dynamic,
        "cpu_ms_per_64_tokens": ms,
        "alone_same_as_batched": same,
        "repeated_signal": len(odd),
        "repeated_signal_faithful": spoken(decoder, vocabulary, odd)["faithful"],
        "examples": examples(decoder, vocabulary, pairs[:: max(1, len(pairs) // 12)][:12]),
    }
    write_json(args.work / "narrator-metrics.json", metrics)
    (args.out / "MODEL_CARD.md").write_text(card(metrics, model, path.stat().st_size, encoder, saved["evidences"]))
    print(json.dumps(metrics, indent=1))


def examples(decoder, vocabulary, pairs) -> list[str]:
    """Texts as sentences, slots unfilled."""
    from .narrator_measure import speak

    out = []
    for words in speak(decoder, vocabulary, pairs):
        text = ""
        for word in words:
            start = not text or text.endswith(".")
            glued = word in {",", ";", ".", ":", ")"} or text.endswith("(") or not text
            text += ("" if glued else " ") + (word[0].upper() + word[1:] if start and not word[1:2].isupper() else word)
        out.append(text)
    return out


if __name__ == "__main__":
    main()
