"""The fusion's network: an encoder for each modality, gated cross-modal attention, heads.

Contract "moment-v1" (engine: inference/src/fusion.rs). Normalisation stands in
the graph; a value is 0 with mask 0 where nothing was measured. A modality
without anything is masked everywhere: its gate is 0, and where none is there
the fused embedding is the encoder's, to the bit.
"""

import numpy as np
import torch
from torch import nn

from .moments import MAX_EVENTS, TRACKS

HEADS = ("deterioration", "seizure", "hypoglycaemia")
NEEDS = {"deterioration": ("minutes",), "seizure": ("eeg",), "hypoglycaemia": ("glucose",)}
AUXILIARY = ("death",)  # learned from beside the heads, and not shipped
# Deterioration is not shipped either: of real stays it knows failures under way (MIMIC's are mostly ventilation, which the
# bedside knows too) and foretells little, and an alert must not rest on that.
SHIPPED = ("seizure", "hypoglycaemia")
MODALITIES = (*TRACKS, "events")
WIDTH, EMBEDDING, ATTENTION_HEADS, STRIDE = 48, 128, 4, 4
CLIP = 6.0


class TrackEncoder(nn.Module):
    """[B, R, 2C] of values and masks -> [B, R, WIDTH]: every row sees its neighbours."""

    def __init__(self, rows: int, columns: int):
        super().__init__()
        self.columns = columns
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("sd", torch.ones(columns))
        self.enter = nn.Linear(2 * columns, WIDTH)
        self.place = nn.Parameter(torch.zeros(rows, WIDTH))
        self.mixers = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 5, padding=2) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.drop = nn.Dropout(0.1)

    def scaled(self, x):
        values, mask = x[..., : self.columns], x[..., self.columns :]
        return ((values - self.mean) / self.sd).clamp(-CLIP, CLIP) * mask, mask

    def forward(self, x):
        values, mask = self.scaled(x)
        h = self.enter(torch.cat([values, mask], dim=-1)) + self.place
        for mixer, norm in zip(self.mixers, self.norms):
            h = self.drop(h) + nn.functional.gelu(mixer(norm(h).transpose(1, 2)).transpose(1, 2))
        return h


class EventEncoder(nn.Module):
    """Codes [B, E] and numbers [B, E, 3] (value, whether there is one, hours since) -> [B, E, WIDTH]."""

    def __init__(self, codes: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(codes + 1))
        self.register_buffer("sd", torch.ones(codes + 1))
        self.code = nn.Embedding(codes + 1, WIDTH, padding_idx=0)
        self.numbers = nn.Sequential(nn.Linear(4, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, codes, numbers):
        value, has, ago = numbers.unbind(-1)
        scaled = ((value - self.mean[codes]) / self.sd[codes]).clamp(-CLIP, CLIP) * has
        when = torch.stack([scaled, has, torch.log1p(ago.clamp(min=0)), torch.exp(-ago.clamp(min=0))], dim=-1)
        return self.code(codes) + self.numbers(when)


class Attention(nn.Module):
    """Queries [B, Q, WIDTH] over tokens [B, T, WIDTH] of which some are there ([B, T]); a learned null token always is."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.q, self.kv, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.null = nn.Parameter(torch.zeros(1, 1, WIDTH))

    def forward(self, query, tokens, there):
        tokens = torch.cat([self.null.expand(tokens.shape[0], 1, WIDTH), self.norm(tokens)], dim=1)
        there = torch.cat([torch.ones_like(there[:, :1]), there], dim=1)
        split = lambda t: t.unflatten(-1, (ATTENTION_HEADS, -1)).transpose(1, 2)  # noqa: E731
        q, (k, v) = split(self.q(query)), (split(t) for t in self.kv(tokens).chunk(2, dim=-1))
        score = q @ k.transpose(-1, -2) * (WIDTH // ATTENTION_HEADS) ** -0.5 + (there[:, None, None] - 1.0) * 1e4
        return self.out((torch.softmax(score, dim=-1) @ v).transpose(1, 2).flatten(2))


class Fusion(nn.Module):
    """The whole. `cross_attention=False` is the ablation: each modality's mean instead of attention."""

    def __init__(self, codes: int, cross_attention=True):
        super().__init__()
        self.cross_attention = cross_attention
        self.tracks = nn.ModuleDict({t: TrackEncoder(*shape) for t, shape in TRACKS.items()})
        self.events = EventEncoder(codes)
        self.hour = nn.Sequential(nn.LayerNorm(EMBEDDING), nn.Linear(EMBEDDING, WIDTH))
        self.queries = nn.ParameterDict({m: nn.Parameter(torch.randn(1, 2, WIDTH) * 0.1) for m in MODALITIES})
        self.read = nn.ModuleDict({m: Attention() for m in MODALITIES})
        self.cross = Attention()
        self.gates = nn.ModuleDict({m: nn.Linear(2 * WIDTH, 1) for m in MODALITIES})
        self.join = nn.Linear(WIDTH, EMBEDDING, bias=False)
        self.heads = nn.Sequential(nn.LayerNorm(EMBEDDING + WIDTH * len(MODALITIES)), nn.Linear(EMBEDDING + WIDTH * len(MODALITIES), 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, len(HEADS) + len(AUXILIARY)))  # fmt: skip
        self.rebuild = nn.ModuleDict({t: nn.Linear(2 * WIDTH, shape[1]) for t, shape in TRACKS.items()})
        self.foretell = nn.Linear(2 * WIDTH, codes + 1)

    def encode(self, tracks, codes, numbers):
        """For each modality its rows [B, T, WIDTH] and which are there [B, T]."""
        rows, there = {}, {}
        for name, encoder in self.tracks.items():
            rows[name] = encoder(tracks[name])
            there[name] = (tracks[name][..., encoder.columns :].sum(-1) > 0).to(rows[name].dtype)
        rows["events"], there["events"] = self.events(codes, numbers), (codes > 0).to(numbers.dtype)
        return rows, there

    def views(self, hour, rows, there):
        """What each modality says to the hour's questions [B, M, WIDTH], and which are there [B, M]."""
        views, here = [], []
        for m in MODALITIES:
            tokens, mask = rows[m], there[m]
            if m != "events":  # a row stands for its stretch
                size = tokens.shape[1] // STRIDE * STRIDE
                tokens, mask = tokens[:, -size:], mask[:, -size:]
                weight = mask[..., None]
                tokens = (tokens * weight).unflatten(1, (-1, STRIDE)).sum(2) / weight.unflatten(1, (-1, STRIDE)).sum(2).clamp(min=1)
                mask = mask.unflatten(1, (-1, STRIDE)).amax(2)
            if self.cross_attention:
                query = torch.cat([hour[:, None], self.queries[m].expand(len(hour), -1, -1), (rows[m] * there[m][..., None])[:, -1:]], dim=1)
                view = self.read[m](query, tokens, mask).mean(1)
            else:
                view = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            views.append(view)
            here.append(mask.amax(1))
        here = torch.stack(here, dim=1)
        return torch.stack(views, dim=1) * here[..., None], here

    def joint(self, embedding, rows, there):
        hour = self.hour(embedding)
        views, here = self.views(hour, rows, there)
        if self.cross_attention:
            views = (views + self.cross(views, torch.cat([hour[:, None], views], dim=1), torch.cat([torch.ones_like(here[:, :1]), here], dim=1))) * here[..., None]
        gates = torch.cat([torch.sigmoid(self.gates[m](torch.cat([hour, views[:, i]], dim=-1))) for i, m in enumerate(MODALITIES)], dim=1) * here
        gated = views * gates[..., None]
        return hour, gated, gates, embedding + self.join(gated.sum(1))

    def forward(self, hour, minutes, eeg, cardiac, glucose, event_codes, events):
        tracks = {"minutes": minutes, "eeg": eeg, "cardiac": cardiac, "glucose": glucose}
        rows, there = self.encode(tracks, event_codes, events)
        _, gated, gates, fused = self.joint(hour, rows, there)
        return self.heads(torch.cat([fused, gated.flatten(1)], dim=-1)), fused, gates

    def reconstruct(self, hour, tracks, codes, numbers):
        """Every row's values from its own modality and all others, and the next event's code: pretraining's answers."""
        rows, there = self.encode(tracks, codes, numbers)
        _, gated, _, _ = self.joint(hour, rows, there)
        context = gated.sum(1, keepdim=True)
        wide = lambda x: torch.cat([x, context.expand(-1, x.shape[1], -1)], dim=-1)  # noqa: E731
        return {t: self.rebuild[t](wide(rows[t])) for t in TRACKS}, self.foretell(wide(rows["events"]))

    def fit_scale(self, moments):
        """Means and deviations of every column and code from what was measured."""
        for name, encoder in self.tracks.items():
            x = getattr(moments, name).reshape(-1, encoder.columns).astype(np.float32)
            with np.errstate(all="ignore"):
                mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
            encoder.mean.copy_(torch.from_numpy(np.nan_to_num(mean)))
            encoder.sd.copy_(torch.from_numpy(np.where(np.isfinite(sd) & (sd > 1e-3), sd, 1.0)))
        flat, has = moments.codes.ravel(), moments.numbers[..., 1].ravel() > 0
        value = moments.numbers[..., 0].ravel()
        for code in np.unique(flat[has]):
            v = value[has & (flat == code)]
            low, high = np.percentile(v, [1, 99])
            v = v[(v >= low) & (v <= high)]
            self.events.mean[code], self.events.sd[code] = float(v.mean()), max(float(v.std()), 1e-3)


def masked(track: np.ndarray) -> torch.Tensor:
    """[B, R, C] with NaN -> [B, R, 2C] of values and masks."""
    mask = np.isfinite(track)
    return torch.from_numpy(np.concatenate([np.where(mask, track, 0), mask], axis=-1).astype(np.float32))


def batch(moments, at) -> dict:
    """Moments as the network's inputs."""
    return {
        "hour": torch.from_numpy(moments.embedding[at]), **{t: masked(getattr(moments, t)[at]) for t in TRACKS},
        "event_codes": torch.from_numpy(moments.codes[at].astype(np.int64)), "events": torch.from_numpy(moments.numbers[at]),
    }  # fmt: skip


assert MAX_EVENTS == 64
