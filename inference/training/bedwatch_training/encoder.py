"""The encoder's network: a small causal transformer over the hours of a stay.

Attention uses distance-only biases (ALiBi, Press et al. 2022), so that nothing
depends on where in the window an hour stands: a window sliding past 48 hours
sees the same relative picture. Each hour enters as the numbers of `Summary`.
"""

import math

import torch
from torch import nn

from .contract import MAX_HOURS, S
from .summary import UNKNOWN, Summary

HEADS = ("sepsis", "deterioration", "death")


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, bias):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (t.unflatten(-1, (self.heads, self.size)).transpose(1, 2) for t in (q, k, v))
        attention = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.size) + bias, dim=-1)
        mixed = (self.drop(attention) @ v).transpose(1, 2).flatten(2)
        x = x + self.drop(self.out(mixed))
        return x + self.drop(self.down(nn.functional.gelu(self.up(self.norm2(x)))))


class Encoder(nn.Module):
    """tokens [B, T, F] -> logits [B, T, heads], embedding [B, T, D]; T <= 48."""

    def __init__(self, width=128, layers=3, heads=8, dropout=0.2):
        super().__init__()
        self.summary = Summary()
        wide = len(self.summary.names)
        self.register_buffer("centre", torch.zeros(wide))
        self.register_buffer("scale", torch.ones(wide))
        self.input = nn.Sequential(nn.Linear(2 * wide, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(HEADS))
        self.reconstruct = nn.Linear(width, 3 * S)  # training only: next values, next masks, present values
        self.drop = nn.Dropout(dropout)
        slopes = torch.tensor([2.0 ** (-(i + 1) * 8 / heads) for i in range(heads)])
        distance = torch.arange(MAX_HOURS)[:, None] - torch.arange(MAX_HOURS)[None, :]
        bias = -slopes[:, None, None] * distance.clamp(min=0)
        self.register_buffer("bias", torch.where(distance >= 0, bias, torch.tensor(-1e9)))

    def scale_like(self, summaries: torch.Tensor):
        """Centres and scales each summary number by its known values of a sample [N, wide]."""
        known = summaries > UNKNOWN / 2 * 1.5
        n = known.sum(0).clamp(min=1)
        mean = (summaries * known).sum(0) / n
        sd = (((summaries - mean) ** 2 * known).sum(0) / n).sqrt()
        self.centre.copy_(mean)
        self.scale.copy_(sd.clamp(min=1e-2))

    def enter(self, summaries):
        """Summaries to the width of the network; the unknown is zero beside a flag."""
        known = summaries > UNKNOWN / 2 * 1.5
        x = ((summaries - self.centre) / self.scale).clamp(-5.0, 5.0)
        x = torch.where(known, x, torch.zeros_like(x))
        return self.input(torch.cat([x, known.to(x.dtype)], dim=-1))

    def forward(self, tokens):
        length = tokens.shape[1]
        bias = self.bias[:, :length, :length]
        x = self.enter(self.summary(tokens))
        for block in self.blocks:
            x = block(x, bias)
        embedding = self.norm(x)
        return self.head(embedding), embedding
