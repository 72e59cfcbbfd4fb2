"""Step 2: trains the encoder.

    python -m bedwatch_training.train_encoder --work DIR [--epochs 8] [--ward-sepsis]

Reads WORK/{cinc2019,cinc2012,ward}.npz (whichever exist) and, where present,
WORK/teacher.npz; writes WORK/encoder.pt. Deterioration learns from the
simulator's ward (WORK/ward.npz) and from CinC 2012 in-hospital death, so that
it has seen real patients too. Only the train split is learned from; the
calibrate split chooses the epoch.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from . import SEED, utility
from .contract import S, normalisation
from .encoder import Encoder
from .stays import Stays, batches, serving_windows, training_windows


def load(work: Path, ward_sepsis: bool) -> dict[str, Stays]:
    """The data sets at hand, labels masked by the rules of the module's text."""
    sets = {p.stem: Stays.load(p) for p in sorted(work.glob("*.npz")) if p.stem in ("cinc2019", "cinc2012", "ward")}
    if "ward" in sets and not ward_sepsis:
        sets["ward"].sepsis[:] = -1
    return sets


@torch.no_grad()
def predict(model, tokens, stays, logits_of=None, size=256) -> np.ndarray:
    """Logits [N, 2] for every hour, each from the window the engine would use."""
    out = np.zeros((len(tokens), 2), dtype=np.float32)
    windows = serving_windows(stays)
    windows = windows[np.argsort(windows[:, 1], kind="stable")]
    run = logits_of or (lambda x: model(torch.from_numpy(x))[0].float().numpy())
    at = 0
    while at < len(windows):
        group = windows[at : at + size]
        group = group[group[:, 1] == group[0, 1]]
        at += len(group)
        length = group[0, 1]
        rows = group[:, 0][:, None] + np.arange(length)
        logits = run(tokens[rows])
        for (start, _, keep), one in zip(group, logits):
            out[start + keep : start + length] = one[keep:]
    return out


def mask_signals(x: torch.Tensor, rng: torch.Generator, share=0.06) -> torch.Tensor:
    """Hides whole signals of a window, as if never measured: sensors fail and hospitals differ."""
    gone = torch.rand(x.shape[0], 1, S, generator=rng) < share
    x = x.clone()
    x[..., :S].masked_fill_(gone, 0.0)
    x[..., S : 2 * S].masked_fill_(gone, 0.0)
    x[..., 2 * S : 3 * S].masked_fill_(gone, 1.0)
    return x


def learn_from_trees(targets, score, share):
    """Moves the sepsis target towards the score of trees that have not seen the stay (see `teacher`)."""
    if len(score) != len(targets):
        raise SystemExit("teacher.npz is of other stays; run the teacher step again")
    targets[:, 0] = (1.0 - share) * targets[:, 0] + share * score


def epoch_of(name, sets, args, rng):
    """One epoch's batches of one set. Stays of 2012 have one label each and are soon known by heart: a quarter an epoch."""
    windows = training_windows(sets[name]["train"], rng)
    if name == "cinc2012":
        windows = rng.permutation(windows)[: len(windows) // 4]
    return batches(windows, args.batch, rng)


def loss_of(logits, targets, counts):
    """Weighted cross-entropy of both heads over the positions that count."""
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    total = 0.0
    for head in range(2):
        weight = targets[..., 2 * head + 1] * counts
        if weight.sum() > 0:
            total = total + (bce(logits[..., head], targets[..., 2 * head], reduction="none") * weight).sum() / counts.sum()
    return total


def train(sets, tokens, targets, args) -> Encoder:
    """AdamW with cosine decay and an exponential moving average of the weights; returns the average."""
    torch.manual_seed(SEED)
    rng, generator = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    model = Encoder(dropout=args.dropout)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=args.rate)
    steps = args.epochs * sum(sum(1 for _ in epoch_of(n, sets, args, rng)) for n in sets)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.rate, total_steps=steps + 500, pct_start=0.1)
    best, kept = -np.inf, None
    for epoch in range(args.epochs):
        model.train()
        began, losses = time.time(), []
        work = [(name, w) for name in sets for w in epoch_of(name, sets, args, rng)]
        for i in rng.permutation(len(work)):
            name, windows = work[i]
            longest = windows[:, 1].max()
            position = np.arange(longest)
            inside = position < windows[:, 1][:, None]
            rows = np.where(inside, windows[:, :1] + position, 0)
            counts = torch.from_numpy((inside & (position >= windows[:, 2][:, None])).astype(np.float32))
            x = mask_signals(torch.from_numpy(tokens[name]["train"][rows]), generator)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
                logits = model(x)[0]
            loss = loss_of(logits.float(), torch.from_numpy(targets[name]["train"][rows]), counts)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(model)
            losses.append(loss.item())
        if epoch < args.epochs // 2 and epoch % 2:
            continue
        score, line = judge(average.module, sets, tokens)
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} {line} {time.time() - began:.0f} s", flush=True)
        if score > best:
            best, kept = score, {k: v.clone() for k, v in average.module.state_dict().items()}
            torch.save({"state": kept, "sets": sorted(sets)}, args.work / "encoder.partial.pt")
    average.module.load_state_dict(kept)
    return average.module


def judge(model, sets, tokens):
    """Score on the calibrate split (best utility + deterioration AUROC / 5), and a line to print."""
    model.eval()
    score, words = 0.0, []
    for name, parts in sets.items():
        stays = parts["calibrate"]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = predict(model, tokens[name]["calibrate"], stays)
        if (stays.sepsis >= 0).all():
            _, best = utility.best_threshold(logits[:, 0], *utility.table(stays.sepsis, stays.rows))
            score += best
            words.append(f"{name} sepsis utility {best:.4f} auroc {roc_auc_score(stays.sepsis, logits[:, 0]):.4f}")
        if (stays.deterioration >= 0).any():
            auroc = roc_auc_score(stays.deterioration, logits[:, 1])
            score += auroc / 5
            words.append(f"{name} deterioration auroc {auroc:.4f}")
    return score, "; ".join(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--teacher", type=float, default=0.5, help="share of the trees' score in the sepsis target, if WORK/teacher.npz exists")
    parser.add_argument("--ward-sepsis", action="store_true", help="also learn sepsis from the simulator's labels")
    parser.add_argument("--no-bf16", dest="bf16", action="store_false")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    whole = load(args.work, args.ward_sepsis)
    sets = {n: {p: s.pick(s.split == p) for p in ("train", "calibrate")} for n, s in whole.items()}
    mean, sd = normalisation(sets["cinc2019"]["train"].values)
    tokens = {n: {p: s.tokens(mean, sd) for p, s in parts.items()} for n, parts in sets.items()}
    targets = {n: {"train": parts["train"].targets()} for n, parts in sets.items()}
    taught = args.teacher if (args.work / "teacher.npz").exists() else 0.0
    if taught:
        learn_from_trees(targets["cinc2019"]["train"], np.load(args.work / "teacher.npz")["score"], args.teacher)
    model = train(sets, tokens, targets, args)
    torch.save({"state": model.state_dict(), "mean": mean, "sd": sd, "sets": sorted(sets), "teacher": taught}, args.work / "encoder.pt")
    (args.work / "encoder.partial.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
