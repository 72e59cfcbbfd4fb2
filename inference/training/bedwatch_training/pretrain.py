"""Step 2: pretraining without labels.

    python -m bedwatch_training.pretrain --work DIR [--epochs 2]

The network learns, on the stays for making models of every set at hand, to foretell the
next hour and to fill in signals that were hidden from it. Reads WORK/*.npz,
writes WORK/pretrained.pt. Seeded; a stopped run begins anew.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from .contract import normalisation
from .encoder import Encoder
from .learning import Feed, generators, hidden_signals, hide, optimiser, reconstruction
from .stays import Stays

SETS = ("cinc2019", "cinc2012", "ward")


def load(work: Path) -> dict[str, Stays]:
    """The sets at hand."""
    return {n: Stays.load(work / f"{n}.npz") for n in SETS if (work / f"{n}.npz").exists()}


def normalise(sets: dict[str, Stays], splits=("make",)) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of the 2019 stays; of those of 2012 for what 2019 never measured. No site has its own."""
    main = sets["cinc2019"].of(*splits).values
    mean, sd = normalisation(main)
    if "cinc2012" in sets:
        other_mean, other_sd = normalisation(sets["cinc2012"].of(*splits).values)
        never = ~np.isfinite(main).any(axis=0)
        mean[never], sd[never] = other_mean[never], other_sd[never]
    return mean, sd


def feeds(sets, mean, sd, shares=None) -> dict[str, Feed]:
    """All stays of the sets as feeds."""
    return {n: Feed(s, s.tokens(mean, sd), (shares or {}).get(n, 1.0)) for n, s in sets.items()}


def fit_scale(encoder: Encoder, feeds: dict[str, Feed], rng):
    """Sets the network's input scaling from a sample of every set's windows."""
    seen = []
    for feed in feeds.values():
        for i, windows in enumerate(feed.windows(64, rng)):
            if i >= 12:
                break
            tokens, _, _, inside = feed.batch(windows)
            with torch.no_grad():
                seen.append(encoder.summary(tokens)[inside])
    encoder.scale_like(torch.cat(seen))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sets = load(args.work)
    mean, sd = normalise(sets)
    rng, generator = generators()
    every = feeds({n: s.of("make") for n, s in sets.items()}, mean, sd)
    encoder = Encoder()
    fit_scale(encoder, every, rng)
    steps = args.epochs * sum(sum(1 for _ in f.windows(args.batch, rng)) for f in every.values()) + 200
    adam, schedule = optimiser(encoder, args.rate, steps)
    for epoch in range(args.epochs):
        began, losses = time.time(), []
        work = [(n, w) for n, f in every.items() for w in f.windows(args.batch, rng)]
        for i in rng.permutation(len(work)):
            name, windows = work[i]
            tokens, _, _, inside = every[name].batch(windows)
            gone = hidden_signals(len(tokens), generator, 0.15)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                embedding = encoder(hide(tokens, gone))[1]
            loss = reconstruction(encoder, embedding.float(), tokens, gone, inside)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            adam.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {np.mean(losses):.4f} {time.time() - began:.0f} s", flush=True)
    torch.save({"state": encoder.state_dict(), "mean": mean, "sd": sd, "sets": sorted(sets)}, args.work / "pretrained.pt")


if __name__ == "__main__":
    main()
