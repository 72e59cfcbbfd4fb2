"""What pretraining and fine-tuning share: batches, hidden signals, the optimiser, reconstruction."""

import numpy as np
import torch

from . import SEED
from .contract import S
from .encoder import Encoder
from .stays import Stays, batches, training_windows

HIDDEN_SHARE = 0.08
RECONSTRUCTION_WEIGHTS = (0.5, 0.2, 0.5)  # next values, next masks, hidden present values


def hide(tokens: torch.Tensor, gone: torch.Tensor) -> torch.Tensor:
    """Tokens with signals gone ([B, 1 or T, S] bool), as if never measured: sensors fail and hospitals differ."""
    out = tokens.clone()
    out[..., :S].masked_fill_(gone, 0.0)
    out[..., S : 2 * S].masked_fill_(gone, 0.0)
    out[..., 2 * S : 3 * S].masked_fill_(gone, 1.0)
    return out


class Feed:
    """Windows of one data set as tensors, in random order, seeded."""

    def __init__(self, stays: Stays, tokens: np.ndarray, share=1.0):
        self.stays, self.tokens, self.share = stays, tokens, share

    def windows(self, size, rng):
        found = training_windows(self.stays, rng)
        found = rng.permutation(found)[: int(len(found) * self.share)]
        yield from batches(found, size, rng)

    def batch(self, windows):
        """(tokens [B, T, F], rows [B, T], counts [B, T]): counts is 1 where the loss counts."""
        position = np.arange(windows[:, 1].max())
        inside = position < windows[:, 1][:, None]
        rows = np.where(inside, windows[:, :1] + position, 0)
        counts = (inside & (position >= windows[:, 2][:, None])).astype(np.float32)
        return torch.from_numpy(self.tokens[rows]), rows, torch.from_numpy(counts), torch.from_numpy(inside)


def reconstruction(encoder: Encoder, embedding, tokens, gone, inside) -> torch.Tensor:
    """Self-supervision, no labels: the next hour's observed values and which they are, and the present value of hidden signals.

    `tokens` are the whole ones; the network saw them without the signals of `gone` [B, 1, S].
    """
    said = encoder.reconstruct(embedding).float()
    values, seen, ages = tokens[..., :S], tokens[..., S : 2 * S], tokens[..., 2 * S : 3 * S]
    follows = (inside[:, 1:, None] & inside[:, :-1, None]).float()
    ahead = seen[:, 1:] * follows
    step = ((said[:, :-1, :S] - values[:, 1:]) ** 2).clamp(max=9.0)
    a = (step * ahead).sum() / ahead.sum().clamp(min=1)
    mask = torch.nn.functional.binary_cross_entropy_with_logits(said[:, :-1, S : 2 * S], seen[:, 1:], reduction="none")
    b = (mask * follows).sum() / (follows.sum() * S).clamp(min=1)
    hidden = (gone & (ages < 1.0) & inside[..., None]).float()
    c = (((said[..., 2 * S :] - values) ** 2).clamp(max=9.0) * hidden).sum() / hidden.sum().clamp(min=1)
    return sum(w * x for w, x in zip(RECONSTRUCTION_WEIGHTS, (a, b, c)))


def optimiser(model: torch.nn.Module, rate: float, steps: int):
    """AdamW with weight decay on matrices, one cycle."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=rate)
    return adam, torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps, pct_start=0.1)


def generators():
    torch.manual_seed(SEED)
    return np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)


def hidden_signals(size: int, generator: torch.Generator, share=HIDDEN_SHARE) -> torch.Tensor:
    return torch.rand(size, 1, S, generator=generator) < share
