"""The narrator: a GPT-like decoder in the layout Hugging Face decoders are exported in, with a soft prompt.

Positions are learned and come in as position_ids; the cache grows by
concatenation. The token <state> stands for the encoder's embedding: where it
occurs, the projected input `soft_prompt` [batch, D] takes the place of a
token's embedding, as image tokens do in other models. Nothing here depends on
the batch's other rows.
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import nn

from .narrator_corpus import corpus_words
from .narrator_words import special_tokens


@dataclass(frozen=True)
class Config:
    """Sizes; written to config.json."""

    n_layer: int = 5
    n_head: int = 5
    head_dim: int = 64
    n_positions: int = 144
    vocab_size: int = 0
    soft_size: int = 128
    state_id: int = 0

    @property
    def width(self) -> int:
        return self.n_head * self.head_dim

    def as_dict(self) -> dict:
        return asdict(self) | {"hidden_size": self.width}


class Vocabulary:
    """Words to ids. <pad> 0, <unk> 1, then the prompt's special tokens, then the grammar's words."""

    def __init__(self):
        self.special = ["<pad>", "<unk>"] + special_tokens()
        self.words = self.special + corpus_words()
        self.ids = {w: i for i, w in enumerate(self.words)}
        self.pad, self.bos, self.eos, self.state = (self.ids[f"<{n}>"] for n in ("pad", "bos", "eos", "state"))

    def encode(self, words: list[str]) -> list[int]:
        return [self.ids[w] for w in words]

    def decode(self, ids) -> list[str]:
        return [self.words[i] for i in ids]


class Layer(nn.Module):
    """Pre-norm attention over past and present, then feed-forward."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.norm1, self.norm2 = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
        self.qkv, self.out = nn.Linear(c.width, 3 * c.width), nn.Linear(c.width, c.width)
        self.up, self.down = nn.Linear(c.width, 4 * c.width), nn.Linear(4 * c.width, c.width)

    def forward(self, x, bias, past_key, past_value):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (t.unflatten(-1, (self.c.n_head, self.c.head_dim)).transpose(1, 2) for t in (q, k, v))
        key, value = torch.cat([past_key, k], dim=2), torch.cat([past_value, v], dim=2)
        if bias is None:  # training: no past, padding at the end
            mixed = nn.functional.scaled_dot_product_attention(q, key, value, is_causal=True)
        else:
            mixed = torch.softmax(q @ key.transpose(-1, -2) / math.sqrt(self.c.head_dim) + bias, dim=-1) @ value
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x)))), key, value


class Narrator(nn.Module):
    """input_ids, attention_mask, position_ids, soft_prompt, past -> logits, present."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.token, self.position = nn.Embedding(c.vocab_size, c.width), nn.Embedding(c.n_positions, c.width)
        self.register_buffer("soft_mean", torch.zeros(c.soft_size))
        self.register_buffer("soft_sd", torch.ones(c.soft_size))
        self.project = nn.Sequential(nn.Linear(c.soft_size, c.width), nn.GELU(), nn.Linear(c.width, c.width))
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.n_layer))
        self.norm = nn.LayerNorm(c.width)
        self.head = nn.Linear(c.width, c.vocab_size, bias=False)
        for p in self.parameters():
            if p.ndim > 1:
                nn.init.normal_(p, std=0.02)
        for layer in self.layers:
            for end in (layer.out, layer.down):
                nn.init.normal_(end.weight, std=0.02 / math.sqrt(2 * c.n_layer))
        nn.init.normal_(self.project[0].weight, std=c.soft_size**-0.5)
        nn.init.normal_(self.project[2].weight, std=0.1 * c.width**-0.5)

    def embed(self, input_ids, position_ids, soft_prompt):
        """Tokens, with the projected soft prompt in place of <state>."""
        soft = self.project(torch.clamp((soft_prompt - self.soft_mean) / self.soft_sd, -5.0, 5.0))
        token = torch.where((input_ids == self.c.state_id)[..., None], soft[:, None, :], self.token(input_ids))
        return token + self.position(position_ids)

    def forward(self, input_ids, attention_mask, position_ids, soft_prompt, *past):
        total = attention_mask.shape[1]
        # Query t of this call is column (total - T + t); it sees columns up to its own.
        columns = torch.cumsum(torch.ones_like(attention_mask), dim=1)[:, None, :]  # 1..P+T
        own = columns[:, :, total - input_ids.shape[1] :].transpose(1, 2)
        seen = (columns <= own) & (attention_mask[:, None, :] > 0)
        bias = ((1.0 - seen.float()) * -1e9)[:, None]
        x = self.embed(input_ids, position_ids, soft_prompt)
        present = []
        for i, layer in enumerate(self.layers):
            x, key, value = layer(x, bias, past[2 * i], past[2 * i + 1])
            present += [key, value]
        return (self.head(self.norm(x)), *present)

    def hidden(self, input_ids, soft_prompt):
        """Last hidden states [B, T, width] of whole sequences padded at the end, for training."""
        position = torch.arange(input_ids.shape[1]).expand(len(input_ids), -1)
        x = self.embed(input_ids, position, soft_prompt)
        empty = x.new_zeros(len(x), self.c.n_head, 0, self.c.head_dim)
        for layer in self.layers:
            x = layer(x, None, empty.to(x.dtype), empty.to(x.dtype))[0]
        return self.norm(x)

    def empty_past(self, batch: int) -> list[torch.Tensor]:
        shape = (batch, self.c.n_head, 0, self.c.head_dim)
        return [torch.zeros(shape) for _ in range(2 * self.c.n_layer)]

    @torch.no_grad()
    def greedy(self, prompts: list[list[int]], soft: torch.Tensor, eos: int, limit: int) -> list[list[int]]:
        """Greedy continuations of prompts of one length with soft prompts [B, D], without the closing eos."""
        ids = torch.tensor(prompts)
        past, out = self.empty_past(len(prompts)), [[] for _ in prompts]
        done, at = torch.zeros(len(prompts), dtype=torch.bool), ids.shape[1]
        position = torch.arange(at).expand(len(prompts), -1)
        for _ in range(limit):
            mask = torch.ones(len(prompts), at, dtype=torch.long)
            logits, *past = self(ids, mask, position, soft, *past)
            ids = logits[:, -1].argmax(-1, keepdim=True)
            done |= ids[:, 0] == eos
            if done.all():
                break
            for row, token in enumerate(ids[:, 0].tolist()):
                if not done[row]:
                    out[row].append(token)
            position = torch.full((len(prompts), 1), at)
            at += 1
        return out
