"""Step 8: the figures of the card, through the engine's own replay.

    python -m bedwatch_training.evaluate --work DIR --data DIR --bedwatch BIN --bundle ../models/encoder-hourly-v2

Unpacks the records of stays that were kept aside, runs `bedwatch replay` on
them with the bundle, reads its metrics.json and risks.parquet, and adds
intervals and subgroups. Nothing here chooses anything. Writes WORK/evaluation.json.
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from .bundle import write_json
from .export import unpack
from .measures import coverage, hourly, ranking
from .splits import split_of
from .stays import Stays

CONFIG = '[models]\nfolder = "{folder}"\nencoder = "{name}"\nnarrator = ""\n'
AGES = ((0, 50), (50, 65), (65, 80), (80, 200))


def replay(bedwatch: Path, bundle: Path, records: list[Path], out: Path, threads: int):
    """Runs the engine over the records; (metrics, risk rows by source in time order)."""
    out.mkdir(parents=True, exist_ok=True)
    config = out / "bedwatch.toml"
    config.write_text(CONFIG.format(folder=bundle.resolve().parent, name=bundle.name))
    command = [bedwatch, "replay", *records, "--out", out, "--config", config, "--threads", str(threads)]
    subprocess.run([str(c) for c in command], check=True)
    table = pq.read_table(out / "risks.parquet").to_pandas()
    return json.loads((out / "metrics.json").read_text()), table


def by_hour(table, stays: Stays, head: str, base) -> np.ndarray:
    """The risk standing at the end of each hour of each stay [N]; 0 before the first."""
    out = np.zeros(len(stays.sepsis), dtype=np.float32)
    at = dict(zip(stays.record, zip(stays.starts, stays.rows)))
    table = table[table[f"{head}_risk"].notna()]
    for source, rows in table.groupby("source", sort=False):
        record = Path(source).stem
        if record not in at:
            continue
        start, count = at[record]
        first = stays.hours_since_admission[start]
        hour = ((rows["at"] - base).dt.total_seconds() // 3600).to_numpy().astype(int) - int(first) + 1
        series = np.full(count, np.nan)
        good = (hour >= 0) & (hour < count)
        series[hour[good]] = rows[f"{head}_risk"].to_numpy()[good]
        index = np.maximum.accumulate(np.where(np.isfinite(series), np.arange(count), -1))
        out[start : start + count] = np.where(index >= 0, series[np.maximum(index, 0)], 0.0)
    return out


def subgroups(stays: Stays):
    """(name, stays) of age, sex, unit and hospital."""
    first = stays.starts
    for low, high in AGES:
        yield f"age {low} to {high - 1}" if high < 200 else f"age {low} and over", (stays.age_years[first] >= low) & (stays.age_years[first] < high)
    for name, code in (("women", 0), ("men", 1)):
        yield name, stays.sex[first] == code
    for name, code in (("medical unit", 0), ("surgical unit", 1), ("unit not stated", -1)):
        yield name, stays.unit[first] == code


def part(stays: Stays, keep, p, point) -> dict:
    chosen = stays.pick(keep)
    return hourly(p[np.repeat(keep, stays.rows)], chosen.sepsis, chosen.rows, point)


def sepsis(args, heads) -> dict:
    stays = Stays.load(args.work / "cinc2019.npz").of("test")
    stays = stays.hours(stays.labelled)
    records = unpack(args.data, args.work / "records-test", ("cinc2019",), lambda r: split_of(r) == "test")
    metrics, table = replay(args.bedwatch, args.bundle, records, args.work / "replay-cinc2019", args.threads)
    p = by_hour(table, stays, "sepsis", table["at"].min().floor("h"))
    point = heads["sepsis"]["operating_point"]
    out = {"A+B": hourly(p, stays.sepsis, stays.rows, point)}
    for site in "AB":
        out[site] = part(stays, stays.site == site, p, point)
    groups = {name: part(stays, keep, p, point) for name, keep in subgroups(stays) if stays.pick(keep).sepsis.any()}
    sure = {}
    for row in heads["sepsis"]["conformal"]:
        keep = np.ones(len(p), dtype=bool) if row["site"] == "any" else stays.site_by_row == row["site"]
        sure[row["site"]] = coverage(p[keep], stays.sepsis[keep], row)
    np.savez(args.work / "evaluation-sepsis.npz", p=p)
    return {"figures": out, "subgroups": groups, "conformal": sure, "replay": metrics}


def death(args) -> dict:
    stays = Stays.load(args.work / "cinc2012.npz").of("test")
    records = unpack(args.data, args.work / "records-test", ("cinc2012",), lambda r: split_of(r) == "test")
    metrics, table = replay(args.bedwatch, args.bundle, records, args.work / "replay-cinc2012", args.threads)
    table = table[table["death_risk"].notna()]
    last = {Path(s).stem: x for s, x in table.groupby("source", sort=False)["death_risk"].last().items()}
    p = np.array([last.get(r, 0.0) for r in stays.record])
    return {"figures": {"2012": ranking(p, stays.death)}, "replay": metrics}


def deterioration(args, heads) -> dict:
    """The simulator's ward: decline, as far as the simulator knows it."""
    stays = Stays.load(args.work / "ward.npz").of("test")
    stays = stays.hours(stays.deterioration >= 0)
    records = [p for p in sorted(args.ward.glob("*.psv")) if split_of(p.stem) == "test"]
    _, table = replay(args.bedwatch, args.bundle, records, args.work / "replay-ward", args.threads)
    p = by_hour(table, stays, "deterioration", table["at"].min().floor("h"))
    return {"simulated ward": hourly(p, stays.deterioration, stays.rows, heads["deterioration"]["operating_point"])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bedwatch", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--ward", type=Path, help="the simulator's PSV files")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    heads = json.loads((args.work / "calibration.json").read_text())["heads"]
    out = json.loads(path.read_text()) if (path := args.work / "evaluation.json").exists() else {}
    for name, judge in (("sepsis", sepsis), ("death", lambda a, _: death(a)), ("deterioration", deterioration)):
        if name not in out and (name != "deterioration" or args.ward):
            out[name] = judge(args, heads)
            write_json(path, out)


if __name__ == "__main__":
    main()
