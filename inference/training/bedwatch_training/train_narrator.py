"""Step 5: trains the narrator on the grammar's corpus.

    python -m bedwatch_training.train_narrator --work DIR --evidence LINES.ndjson... [--steps 3000] [--minutes M] [--warm narrator.pt]

LINES are written by `bedwatch evidence export` from stays of split "train"
and from the simulator. The corpus is generated as it is needed, from the
seed. Evidences whose prompt hashes to 0 mod 10 are held out: never trained
on. Stops after --steps, or earlier at --minutes. A run that was stopped goes
on where it was last kept (WORK/narrator.run, every 100 steps). Writes
WORK/narrator.pt.
"""

import argparse
import math
import random
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from . import SEED
from .narrator_check import faults
from .narrator_corpus import Corpus, Pair
from .narrator_grammar import say
from .narrator_model import Config, Narrator, Vocabulary
from .narrator_state import fit, read
from .narrator_words import MAX_NEW_TOKENS


def soft(pairs: list[Pair], size: int) -> torch.Tensor:
    """Soft prompts [B, D]; zeros where there is none."""
    return torch.tensor(np.stack([np.zeros(size, np.float32) if p.vector is None else p.vector for p in pairs]))


def rows(vocabulary: Vocabulary, corpus: Corpus, size: int, rng: random.Random, batch: int, group=16):
    """Endless batches (ids, targets, soft prompts) of about equal length; targets are -100 over the prompt and padding."""
    while True:
        texts = []
        for _ in range(batch * group):
            p = corpus.draw(rng, held=False)
            prompt, answer = vocabulary.encode(p.evidence.prompt()), vocabulary.encode(say(p.evidence)) + [vocabulary.eos]
            texts.append((prompt + answer, [-100] * (len(prompt) - 1) + answer, p))
        texts.sort(key=lambda t: len(t[0]))
        order = list(range(group))
        rng.shuffle(order)
        for g in order:
            part = texts[g * batch : (g + 1) * batch]
            longest = max(len(t[0]) for t in part)
            ids = torch.tensor([t[0] + [vocabulary.pad] * (longest - len(t[0])) for t in part])
            want = torch.tensor([t[1] + [-100] * (longest - 1 - len(t[1])) for t in part])
            yield ids[:, :-1], want, soft([t[2] for t in part], size)


def faithful(model: Narrator, vocabulary: Vocabulary, pairs: list[Pair]) -> tuple[float, float]:
    """Shares of greedy outputs without a fault, and of those that are the grammar's own text."""
    model.eval()
    by_length, good, same = defaultdict(list), 0, 0
    for p in pairs:
        by_length[len(p.evidence.prompt())].append(p)
    for group in by_length.values():
        prompts = [vocabulary.encode(p.evidence.prompt()) for p in group]
        for p, text in zip(group, model.greedy(prompts, soft(group, model.c.soft_size), vocabulary.eos, MAX_NEW_TOKENS)):
            words = vocabulary.decode(text)
            good += not faults(p.evidence, words)
            same += words == say(p.evidence)
    return good / len(pairs), same / len(pairs)


def optimisers(model: Narrator, rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024) for the matrices of the layers, AdamW for everything else."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("layers.")]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or not n.startswith("layers.")]
    return [
        torch.optim.Muon(matrices, lr=2 * rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw", ns_steps=4),
        torch.optim.AdamW(others, lr=rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True),
    ]


def warm(model: Narrator, path: Path, vocabulary: Vocabulary):
    """Weights of an earlier run of the same words and sizes, all but the soft prompt's projection."""
    saved = torch.load(path, weights_only=False)
    if saved["words"] != vocabulary.words:
        raise SystemExit(f"{path} was trained with other words; train without --warm")
    kept = {k: v for k, v in saved["state"].items() if not k.startswith(("project.", "soft_"))}
    model.load_state_dict(model.state_dict() | kept)


def resume(path: Path, model: Narrator, both: list[torch.optim.Optimizer], words: list[str]) -> int:
    """The step at which a stopped run of the same words goes on; 0 without one."""
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=False)
    if saved["words"] != words:
        raise SystemExit(f"{path} is of other words; remove it")
    model.load_state_dict(saved["state"])
    for o, state in zip(both, saved["optimisers"]):
        o.load_state_dict(state)
    return saved["step"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--evidence", type=Path, nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--warm", type=Path, help="begin with this narrator.pt: only the embedding is another")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=Config.n_layer)
    parser.add_argument("--heads", type=int, default=Config.n_head)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    evidences, vectors = read(args.evidence)
    states = fit(evidences, vectors)
    corpus = Corpus(evidences, vectors, states)
    vocabulary = Vocabulary()
    config = Config(n_layer=args.layers, n_head=args.heads, vocab_size=len(vocabulary.words), soft_size=vectors.shape[1], state_id=vocabulary.state)
    model = Narrator(config)
    model.soft_mean.copy_(torch.tensor(states.mean))
    model.soft_sd.copy_(torch.tensor(states.sd))
    if args.warm:
        warm(model, args.warm, vocabulary)
    both = optimisers(model, args.rate)
    rates = [g["lr"] for o in both for g in o.param_groups]
    held = random.Random(SEED + 1)
    probe = [corpus.draw(held, held=True) for _ in range(128)]
    going_on = args.work / "narrator.run"
    step = resume(going_on, model, both, vocabulary.words)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {config.vocab_size} words, {len(evidences)} evidences of the engine", flush=True)
    began, total, rng = time.time(), 0.0, random.Random(SEED + step)

    def keep():
        torch.save({"state": model.state_dict(), "config": config, "states": states, "words": vocabulary.words, "evidences": len(evidences)}, args.work / "narrator.pt")

    for ids, want, soft_prompt in rows(vocabulary, corpus, config.soft_size, rng, args.batch):
        # Cosine over whichever limit comes first; the last steps of a stopped run are as small as a full one's.
        spent = max(step / args.steps, (time.time() - began) / 60 / args.minutes)
        if spent >= 1:
            break
        factor = min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(spent * math.pi)))
        for g, rate in zip((g for o in both for g in o.param_groups), rates):
            g["lr"] = rate * factor
        model.train()
        told = want.flatten() >= 0
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model.head(model.hidden(ids, soft_prompt).flatten(0, 1)[told])
        loss = torch.nn.functional.cross_entropy(logits.float(), want.flatten()[told])
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in both:
            o.step()
        step, total = step + 1, total + loss.item()
        if step % 50 == 0:
            print(f"step {step}: loss {total / 50:.4f} {time.time() - began:.0f} s", flush=True)
            total = 0.0
        if step % 100 == 0:
            run = {"state": model.state_dict(), "optimisers": [o.state_dict() for o in both], "step": step, "words": vocabulary.words}
            torch.save(run, going_on.with_suffix(".part"))
            going_on.with_suffix(".part").rename(going_on)
        if step % 500 == 0:
            good, same = faithful(model, vocabulary, probe)
            print(f"step {step}: of 128 held out {good:.3f} faithful, {same:.3f} as the grammar says it", flush=True)
            keep()
    keep()
    going_on.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
