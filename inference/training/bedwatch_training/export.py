"""Step 1: training tables, written by the engine itself.

    python -m bedwatch_training.export --data DIR --work DIR --bedwatch BIN [--ward DIR]

Unpacks the records and runs `bedwatch features export` on them: decoding,
units, plausibility and the hourly grid are the engine's, so training and
serving cannot differ. Then reads the tables into WORK/{cinc2019,cinc2012,ward}.npz.
Nothing else in this package looks at a record.
"""

import argparse
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import zstandard

from .contract import S, UNITS, VARIABLES
from .splits import split_of
from .stays import Stays

ARCHIVES = {
    "cinc2019": (("sepsis-cinc2019", "training_setA.dev.tar.zst", "training_setA"), ("sepsis-cinc2019", "training_setB.dev.tar.zst", "training_setB")),
    "cinc2012": (("icu-mortality-cinc2012", "set-a.tar.zst", "set-a"), ("icu-mortality-cinc2012", "set-b.tar.zst", "set-b")),
}
OUTCOMES = {"set-a": "Outcomes-a.txt", "set-b": "Outcomes-b.txt"}
SITES = {"training_setA": "A", "training_setB": "B", "set-a": "M", "set-b": "M"}


def unpack(data: Path, out: Path, sets, wanted=lambda record: True) -> list[Path]:
    """Writes the wanted records under OUT/{all or some}/{set's folder}/, with the outcomes of 2012 beside them; the folders."""
    folders = []
    for name in sets:
        for folder, archive, inner in ARCHIVES[name]:
            target = out / inner
            target.mkdir(parents=True, exist_ok=True)
            with (data / folder / archive).open("rb") as raw, tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(raw), mode="r|") as tar:
                for member in tar:
                    path = target / Path(member.name).name
                    if member.isfile() and wanted(path.stem) and not path.exists():
                        path.write_bytes(tar.extractfile(member).read())
            if inner in OUTCOMES:
                (target / OUTCOMES[inner]).write_bytes((data / folder / OUTCOMES[inner]).read_bytes())
            folders.append(target)
    return folders


def features(bedwatch: Path, paths: list[Path], out: Path, threads: int) -> Path:
    """Runs the engine's export; the folder of its tables."""
    command = [bedwatch, "features", "export", *paths, "--out", out, "--threads", str(threads)]
    subprocess.run([str(c) for c in command], check=True)
    return out


def read(folder: Path) -> Stays:
    """hours.parquet as arrays."""
    table = pq.read_table(folder / "hours.parquet")
    column = lambda name: table[name].to_numpy(zero_copy_only=False)  # noqa: E731
    number = lambda name: np.array(column(name), dtype=np.float32)  # noqa: E731
    record = np.array([Path(s).stem for s in column("source")])
    first = np.flatnonzero(np.append(True, record[1:] != record[:-1]))
    rows = np.diff(np.append(first, len(record))).astype(np.int32)
    values = np.full((len(record), S), np.nan, dtype=np.float32)
    for j, variable in enumerate(VARIABLES):
        for source in reversed(variable.sources):
            x = number(source)
            values[:, j] = np.where(np.isfinite(x), x, values[:, j])
    unit = column("unit")
    label = lambda name: np.where(np.isnan(number(name)), -1, number(name)).astype(np.int8)  # noqa: E731
    sites = column("site")[first]
    return Stays(
        values=values, rows=rows, record=record[first], site=np.array([SITES.get(s, "W") for s in sites]),
        split=np.array([split_of(r) for r in record[first]]), age_years=number("age_years"),
        sex=np.array([{"male": 1.0, "female": 0.0}.get(s, np.nan) for s in column("sex")], dtype=np.float32),
        hours_since_admission=number("hours_since_stay_start") + 1,
        hours_before_icu=number("hours_since_hospital_admission") - number("hours_since_stay_start"),
        unit=np.array([UNITS.index(u) if u in UNITS else -1 for u in unit], dtype=np.int8),
        sepsis=label("sepsis"), deterioration=label("deterioration"), death=label("death")[first],
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bedwatch", type=Path, required=True)
    parser.add_argument("--ward", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    wanted = [("cinc2019", None), ("cinc2012", None)] if args.data else []
    if args.ward:
        wanted.append(("ward", [args.ward]))
    for name, paths in wanted:
        paths = paths or unpack(args.data, args.work / "records", (name,))
        stays = read(features(args.bedwatch, paths, args.work / "tables" / name, args.threads))
        stays.save(args.work / f"{name}.npz")
        print(f"{name}: {len(stays.rows)} stays, {len(stays.sepsis)} hours")


if __name__ == "__main__":
    main()
