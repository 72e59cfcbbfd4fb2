"""Step 3: fine-tuning with labels.

    python -m bedwatch_training.finetune --work DIR [--epochs 6] [--from-scratch]

Starts from WORK/pretrained.pt. Sepsis learns from the 2019 stays, deterioration
from the simulator's ward, death from 2012; reconstruction goes on beside them.
Two networks, each learning from half of the folds: what a network says of the
other half is about stays it has not learned from, and is weighed (`ensemble`).
The first network is shipped, for its embedding, the deterioration head and its
part of the others. Writes WORK/network.{0,1}.pt.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from . import utility
from .encoder import HEADS, Encoder
from .learning import Feed, generators, hidden_signals, hide, optimiser, reconstruction
from .pretrain import feeds, fit_scale, load
from .stays import Stays, serving_windows

SHARES = {"cinc2012": 0.5}  # of the windows an epoch: one label a stay is soon known by heart
RECONSTRUCTION = 0.1


def targets(stays: Stays) -> np.ndarray:
    """[N, heads, 2] of target and weight; weight 0 where there is no label."""
    out = np.zeros((len(stays.sepsis), len(HEADS), 2), dtype=np.float32)
    if stays.labelled.any() and (stays.site != "W").all():
        out[:, 0, 0], out[:, 0, 1] = stays.sepsis_target()
    known = stays.deterioration >= 0
    out[:, 1, 0], out[:, 1, 1] = known & (stays.deterioration == 1), known
    out[:, 2, 0], out[:, 2, 1] = stays.death_target()
    return out


def loss_of(logits, wanted, counts):
    """Weighted cross-entropy of the heads over the hours that count."""
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    weight = wanted[..., 1] * counts[..., None]
    return (bce(logits, wanted[..., 0], reduction="none") * weight).sum() / counts.sum()


@torch.no_grad()
def predict(model: Encoder, feed: Feed, size=256, embeddings=False, stride=12) -> np.ndarray:
    """Logits [N, heads] (or embeddings [N, D]) of every hour, with `stride` 1 each from the window the engine would use."""
    out = None
    windows = serving_windows(feed.stays, stride)
    windows = windows[np.argsort(windows[:, 1], kind="stable")]
    at = 0
    while at < len(windows):
        group = windows[at : at + size]
        group = group[group[:, 1] == group[0, 1]]
        at += len(group)
        length = group[0, 1]
        rows = group[:, 0][:, None] + np.arange(length)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            said = model(torch.from_numpy(feed.tokens[rows]))[1 if embeddings else 0].float().numpy()
        if out is None:
            out = np.zeros((len(feed.tokens), said.shape[-1]), dtype=np.float32)
        for (start, _, keep), one in zip(group, said):
            out[start + keep : start + length] = one[keep:]
    return out


def judge(model, every: dict[str, Feed]) -> str:
    """How well the heads rank stays they have not learned from, in words."""
    model.eval()
    words = []
    for name, feed in every.items():
        stays, logits = feed.stays, predict(model, feed)
        if stays.labelled.any() and (stays.site != "W").all():
            known = stays.labelled
            _, best = utility.best_threshold(logits[:, 0], *utility.table(stays.sepsis, stays.rows))
            words.append(f"{name} utility {best:.4f} auroc {roc_auc_score(stays.sepsis[known], logits[known, 0]):.4f}")
        if (known := stays.deterioration >= 0).any():
            words.append(f"{name} deterioration {roc_auc_score(stays.deterioration[known], logits[known, 1]):.4f}")
        if (stays.death >= 0).any():
            words.append(f"{name} death {roc_auc_score(stays.death, logits[stays.ends, 2]):.4f}")
    return "; ".join(words)


def train(every, wanted, encoder, args):
    """AdamW, one cycle, a fixed number of epochs; returns the exponential moving average of the weights."""
    rng, generator = generators()
    average = torch.optim.swa_utils.AveragedModel(encoder, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    steps = args.epochs * sum(sum(1 for _ in f.windows(args.batch, rng)) for f in every.values()) + 300
    adam, schedule = optimiser(encoder, args.rate, steps)
    for epoch in range(args.epochs):
        encoder.train()
        began, losses = time.time(), []
        work = [(n, w) for n, f in every.items() for w in f.windows(args.batch, rng)]
        for i in rng.permutation(len(work)):
            name, windows = work[i]
            tokens, rows, counts, inside = every[name].batch(windows)
            gone = hidden_signals(len(tokens), generator)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits, embedding = encoder(hide(tokens, gone))
            loss = loss_of(logits.float(), torch.from_numpy(wanted[name][rows]), counts)
            loss = loss + RECONSTRUCTION * reconstruction(encoder, embedding.float(), tokens, gone, inside)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            adam.step()
            schedule.step()
            average.update_parameters(encoder)
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} {time.time() - began:.0f} s", flush=True)
    return average.module


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--half", type=int, choices=(0, 1), help="one network alone; both by default")
    parser.add_argument("--from-scratch", action="store_true", help="without pretraining (ablation)")
    parser.add_argument("--out", default="network", help="WORK/OUT.{half}.pt")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sets = load(args.work)
    saved = torch.load(args.work / "pretrained.pt", weights_only=False)
    mean, sd = saved["mean"], saved["sd"]
    for half in (0, 1) if args.half is None else (args.half,):
        inside = {n: s.of("make").pick(s.of("make").fold % 2 == half) for n, s in sets.items()}
        outside = {n: s.of("make").pick(s.of("make").fold % 2 != half) for n, s in sets.items()}
        every = feeds(inside, mean, sd, shares=SHARES)
        encoder = Encoder()
        if args.from_scratch:
            fit_scale(encoder, every, generators()[0])
        else:
            encoder.load_state_dict(saved["state"])
        encoder = train(every, {n: targets(f.stays) for n, f in every.items()}, encoder, args)
        print(f"half {half}, on the other half: {judge(encoder, feeds(outside, mean, sd))}", flush=True)
        torch.save({"state": encoder.state_dict(), "mean": mean, "sd": sd, "sets": sorted(sets)}, args.work / f"{args.out}.{half}.pt")


if __name__ == "__main__":
    main()
