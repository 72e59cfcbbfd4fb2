"""Step 5: trains the narrator on the grammar's corpus.

    python -m bedwatch_training.train_narrator --work DIR [--steps 5000] [--minutes M]

The corpus is generated as it is needed, from the seed. Evidences whose prompt
hashes to 0 mod 10 are held out: never trained on. Stops after --steps, or
earlier at --minutes. Writes WORK/narrator.pt.
"""

import argparse
import random
import time
import zlib
from collections import defaultdict
from pathlib import Path

import torch

from . import SEED
from .narrator_check import faults
from .narrator_grammar import Evidence, evidence, say
from .narrator_model import Config, Narrator, Vocabulary
from .narrator_words import MAX_NEW_TOKENS


def held_out(e: Evidence) -> bool:
    """True for the tenth of all evidences that training never sees."""
    return zlib.crc32(" ".join(e.prompt()).encode()) % 10 == 0


def draw(rng: random.Random, count: int, held: bool) -> list[Evidence]:
    """`count` evidences of the held-out or of the training kind."""
    out = []
    while len(out) < count:
        e = evidence(rng)
        if held_out(e) == held:
            out.append(e)
    return out


def rows(vocabulary: Vocabulary, rng: random.Random, batch: int, group=16):
    """Endless batches (ids, targets) of about equal length; targets are -100 over the prompt and padding."""
    while True:
        texts = []
        for e in draw(rng, batch * group, held=False):
            prompt, answer = vocabulary.encode(e.prompt()), vocabulary.encode(say(e)) + [vocabulary.eos]
            texts.append((prompt + answer, [-100] * (len(prompt) - 1) + answer))
        texts.sort(key=lambda t: len(t[0]))
        order = list(range(group))
        rng.shuffle(order)
        for g in order:
            part = texts[g * batch : (g + 1) * batch]
            longest = max(len(t[0]) for t in part)
            ids = torch.tensor([t[0] + [vocabulary.pad] * (longest - len(t[0])) for t in part])
            want = torch.tensor([t[1] + [-100] * (longest - 1 - len(t[1])) for t in part])
            yield ids, want


def faithful(model: Narrator, vocabulary: Vocabulary, evidences: list[Evidence]) -> tuple[float, list]:
    """Share of greedy outputs without a fault, and (evidence, words, faults) of all of them."""
    model.eval()
    by_length, out = defaultdict(list), []
    for e in evidences:
        by_length[len(e.prompt())].append(e)
    for group in by_length.values():
        for at in range(0, len(group), 128):
            part = group[at : at + 128]
            texts = model.greedy([vocabulary.encode(e.prompt()) for e in part], vocabulary.eos, MAX_NEW_TOKENS)
            out += [(e, vocabulary.decode(t), faults(e, vocabulary.decode(t))) for e, t in zip(part, texts)]
    return sum(not f for *_, f in out) / len(out), out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=Config.n_layer)
    parser.add_argument("--heads", type=int, default=Config.n_head)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    rng, vocabulary = random.Random(SEED), Vocabulary()
    config = Config(n_layer=args.layers, n_head=args.heads, vocab_size=len(vocabulary.words))
    model = Narrator(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01, betas=(0.9, 0.98))
    probe = draw(random.Random(SEED + 1), 128, held=True)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {config.vocab_size} words", flush=True)
    began, step, total = time.time(), 0, 0.0
    for ids, want in rows(vocabulary, rng, args.batch):
        # Cosine over whichever limit comes first; the last steps of a stopped run are as small as a full one's.
        spent = max(step / args.steps, (time.time() - began) / 60 / args.minutes)
        if spent >= 1:
            break
        for g in optimiser.param_groups:
            g["lr"] = args.rate * min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(spent * torch.pi)).item()))
        model.train()
        ids = ids[:, :-1]
        position = torch.arange(ids.shape[1]).expand(len(ids), -1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(ids, torch.ones_like(ids), position, *model.empty_past(len(ids)))[0]
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), want.flatten(), ignore_index=-100)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step, total = step + 1, total + loss.item()
        if step % 100 == 0:
            print(f"step {step}: loss {total / 100:.4f} {time.time() - began:.0f} s", flush=True)
            total = 0.0
        if step % 500 == 0:
            print(f"step {step}: faithful {faithful(model, vocabulary, probe)[0]:.3f} of 128 held out", flush=True)
            torch.save({"state": model.state_dict(), "config": config}, args.work / "narrator.pt")
    torch.save({"state": model.state_dict(), "config": config}, args.work / "narrator.pt")


if __name__ == "__main__":
    main()
