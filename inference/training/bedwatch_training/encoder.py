"""The encoder: a small causal transformer over hourly tokens.

Attention uses distance-only biases (ALiBi, Press et al. 2022), so that nothing
depends on where in the window an hour stands: a window sliding past 48 hours
sees the same relative picture.
"""

import math

import torch
from torch import nn

from .contract import ADMISSION_SCALE, AGE_CAP_HOURS, F, MAX_HOURS, S

HEADS = ("sepsis", "deterioration")


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


VITALS = 7  # the first variables of the contract, measured most hours
CHANGES = (3, 6)  # hours
EXTREME_HOURS = 12
BUMPS = 8


class Widen(nn.Module):
    """Adds what trees find useful and a linear layer cannot see: changes, recent extremes, finer ages and time.

    All of it is computed from the window's own tokens, inside the graph, so
    the engine's contract stays the plain token.
    """

    size = F + len(CHANGES) * S + 2 * VITALS + S + BUMPS

    def __init__(self):
        super().__init__()
        self.register_buffer("centres", torch.linspace(0.7, 5.5, BUMPS))

    def forward(self, tokens):
        length = tokens.shape[1]
        values, ages = tokens[..., :S], tokens[..., 2 * S : 3 * S]
        extra = []
        for hours in CHANGES:
            past = torch.cat([values[:, :1].expand(-1, hours, -1), values], dim=1)[:, :length]
            extra.append(values - past)
        vitals = values[..., :VITALS].transpose(1, 2)
        padded = torch.cat([vitals[..., :1].expand(-1, -1, EXTREME_HOURS - 1), vitals], dim=2)
        for sign in (1.0, -1.0):
            extreme = sign * nn.functional.max_pool1d(sign * padded, EXTREME_HOURS, stride=1)
            extra.append(extreme.transpose(1, 2) - values[..., :VITALS])
        extra.append(torch.exp(-ages * (AGE_CAP_HOURS / 4.0)))
        since = tokens[..., 3 * S + 2 :] * ADMISSION_SCALE
        extra.append(torch.exp(-(((since - self.centres) / 0.5) ** 2)))
        return torch.cat([tokens, *extra], dim=-1)


class Encoder(nn.Module):
    """tokens [B, T, F] -> logits [B, T, 2], embedding [B, T, D]; T <= 48."""

    def __init__(self, width=128, layers=3, heads=8, dropout=0.2):
        super().__init__()
        self.widen = Widen()
        self.input = nn.Sequential(nn.Linear(Widen.size, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(HEADS))
        self.drop = nn.Dropout(dropout)
        slopes = torch.tensor([2.0 ** (-(i + 1) * 8 / heads) for i in range(heads)])
        distance = torch.arange(MAX_HOURS)[:, None] - torch.arange(MAX_HOURS)[None, :]
        bias = -slopes[:, None, None] * distance.clamp(min=0)
        self.register_buffer("bias", torch.where(distance >= 0, bias, torch.tensor(-1e9)))

    def forward(self, tokens):
        length = tokens.shape[1]
        bias = self.bias[:, :length, :length]
        x = self.input(self.widen(tokens))
        for block in self.blocks:
            x = block(x, bias)
        embedding = self.norm(x)
        return self.head(embedding), embedding
