"""What trees read: the last two days of a stay in numbers, computed from the tokens inside the graph.

The same module makes the training table and, exported to ONNX, serves at the
bedside, so the two cannot differ. Every number looks back at most MAX_HOURS
rows, so a stay computed at once equals each of its windows computed alone.
Values are in standard deviations of the transformed signal. UNKNOWN stands
where nothing can be said: trees take it for what it is. Numbers are rounded
to 1/64, so that another machine's last digit cannot cross a tree's threshold.
"""

import torch
from torch import nn

from .contract import ADMISSION_SCALE, AGE_CAP_HOURS, MAX_HOURS, S, V, VARIABLES, F, L

UNKNOWN = -32.0
GRAIN = 64.0
COUNT_HOURS = (6, 12, 24, 48)
MEAN_HOURS = (6, 12, 24, 48)
VITAL_LAGS = (1, 2, 3, 6, 12)
LAB_LAGS = (6, 12)
EXTREMES = {6: V, 12: V, 24: S, 48: S}  # hours: how many of the variables
NAMES = [v.name for v in VARIABLES]


def _column(name):
    return NAMES.index(name)


def _past(x, hours):
    """x [B, T, C] `hours` rows earlier; the first rows repeat the window's first."""
    return torch.cat([x[:, :1].expand(-1, hours, -1), x], dim=1)[:, : x.shape[1]]


def _windowed(total, hours):
    """Sum over the last `hours` rows from running totals [B, T, C]."""
    before = torch.cat([torch.zeros_like(total[:, :1]).expand(-1, hours, -1), total], dim=1)[:, : total.shape[1]]
    return total - before


def _highest(x, hours):
    """Highest of the last `hours` rows of x [B, T, C]."""
    padded = torch.cat([x[:, :1].expand(-1, hours - 1, -1), x], dim=1).transpose(1, 2)
    return nn.functional.max_pool1d(padded, hours, stride=1).transpose(1, 2)


class Summary(nn.Module):
    """tokens [B, T, F] -> numbers [B, T, len(self.names)]."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []
        with torch.no_grad():
            self(torch.zeros(1, 1, F), self.names)

    def forward(self, tokens, names=None):
        values, seen, ages = tokens[..., :S], tokens[..., S : 2 * S], tokens[..., 2 * S : 3 * S]
        parts = []

        def add(x, name, columns=None):
            parts.append(x)
            if names is not None:
                labels = NAMES[: x.shape[-1]] if columns is None else columns
                names.extend(f"{name}:{c}" for c in labels)

        hours = torch.round(ages * AGE_CAP_HOURS)
        known = hours < AGE_CAP_HOURS
        unknown = torch.full_like(values, UNKNOWN)
        add(torch.where(known, values, unknown), "last")
        add(hours, "age")
        self._changes(values, seen, hours, known, add)
        self._windows(values, seen, known, add)
        self._extremes(values, seen, add)
        self._whole(tokens, values, known, add)
        return torch.round(torch.cat(parts, dim=-1) * GRAIN) / GRAIN

    def _changes(self, values, seen, hours, known, add):
        """Against fixed hours ago, and against the observation before the last."""
        for lag in VITAL_LAGS:
            both = known & _past(known, lag)
            width = S if lag in LAB_LAGS else V
            change = torch.where(both, values - _past(values, lag), torch.full_like(values, UNKNOWN))
            add(change[..., :width], f"change_{lag}h")
        length = values.shape[1]
        row = torch.arange(length, device=values.device).view(1, -1, 1).expand_as(values)
        at = row - hours.long() - 1
        inside = known & (at >= 0) & (hours < MAX_HOURS - 2)
        at = at.clamp(min=0, max=length - 1)
        before = torch.gather(values, 1, at)
        was_known = torch.gather(known.long(), 1, at) > 0
        add(torch.where(inside & was_known, values - before, torch.full_like(values, UNKNOWN)), "step")

    def _windows(self, values, seen, known, add):
        """How often measured, and the last value against the mean of its windows."""
        observed = values * seen
        count, total, square = seen.cumsum(1), observed.cumsum(1), (observed * observed).cumsum(1)
        unknown = torch.full_like(values, UNKNOWN)
        for hours in MEAN_HOURS:
            n, s = _windowed(count, hours), _windowed(total, hours)
            some = n > 0.5
            mean = s / n.clamp(min=1.0)
            if hours != 24:
                add(n, f"count_{hours}h")
                add(torch.where(some, values - mean, unknown), f"above_mean_{hours}h")
            else:
                add(torch.where(some, mean, unknown)[..., :V], "mean_24h")
                add((n[..., L] > 0.5).to(n.dtype).sum(-1, keepdim=True), "kinds_24h", ["labs"])
            if hours in (12, 48):
                spread = torch.sqrt((_windowed(square, hours) / n.clamp(min=1.0) - mean * mean).clamp(min=0.0))
                add(torch.where(n > 1.5, spread, unknown)[..., :V], f"sd_{hours}h")
            if hours in (6, 24):
                add(n[..., L].sum(-1, keepdim=True), f"count_{hours}h", ["labs"])

    def _extremes(self, values, seen, add):
        """Highest and lowest observation of the window."""
        for sign, word in ((1.0, "highest"), (-1.0, "lowest")):
            x = torch.where(seen > 0.5, sign * values, torch.full_like(values, UNKNOWN))
            for hours, width in EXTREMES.items():
                top = _highest(x[..., :width], hours)
                add(torch.where(top > UNKNOWN / 2, sign * top, torch.full_like(top, UNKNOWN)), f"{word}_{hours}h")

    def _whole(self, tokens, values, known, add):
        """Statics, and sums over signals."""
        rest = tokens[..., 3 * S :]
        since = torch.exp(rest[..., 2:3] * ADMISSION_SCALE) - 1.0
        add(since, "hours", ["since_admission"])
        add(rest[..., :1] * 100.0, "person", ["age"])
        add(rest[..., 1:2], "person", ["sex"])
        before = torch.where(rest[..., 4:5] > 0.5, rest[..., 3:4], torch.full_like(since, UNKNOWN))
        add(before * 8.0, "log_hours", ["before_icu"])
        add(rest[..., 5:], "unit", ["medical", "surgical", "coronary", "cardiac_surgery"])
        seen = tokens[..., S : 2 * S]
        add(seen[..., :V].sum(-1, keepdim=True), "now", ["vitals"])
        add(seen[..., L].sum(-1, keepdim=True), "now", ["labs"])
        add(known.to(values.dtype).sum(-1, keepdim=True), "known", ["all"])
        for a, b in (("heart_rate", "sbp"), ("sbp", "dbp"), ("spo2", "fio2"), ("bun", "creatinine"), ("heart_rate", "temperature"), ("resp_rate", "spo2")):
            i, j = _column(a), _column(b)
            both = known[..., i : i + 1] & known[..., j : j + 1]
            gap = values[..., i : i + 1] - values[..., j : j + 1]
            add(torch.where(both, gap, torch.full_like(gap, UNKNOWN)), "gap", [f"{a}-{b}"])
