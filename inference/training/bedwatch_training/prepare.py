"""Step 1: reads the records into flat arrays.

    python -m bedwatch_training.prepare --data DIR --work DIR [--ward DIR]

DIR/sepsis-cinc2019 and DIR/icu-mortality-cinc2012 as their PROVENANCE.md
describe; --ward is a folder of hourly PSV files written by
`bedwatch simulate` (CinC columns plus DeteriorationLabel).
Writes WORK/{cinc2019,cinc2012,ward}.npz. Takes about a minute.
"""

import argparse
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import zstandard

from .contract import S, VARIABLES


def split_of(record: str) -> str:
    """train / calibrate / test by a hash of the record name: 70 / 10 / 20 %."""
    bucket = int(hashlib.sha256(f"bedwatch-encoder-v1:{record}".encode()).hexdigest(), 16) % 10
    return "train" if bucket < 7 else "calibrate" if bucket == 7 else "test"


def _members(archive: Path):
    """(name, bytes) of every file in a .tar.zst, in name order."""
    raw = zstandard.ZstdDecompressor().stream_reader(archive.open("rb"))
    with tarfile.open(fileobj=raw, mode="r|") as tar:
        found = [(Path(m.name).stem, tar.extractfile(m).read()) for m in tar if m.isfile()]
    return sorted(found)


def _psv_table(files):
    """One table of all PSV rows and the number of rows of each file. All files share one header."""
    header = files[0][1].split(b"\n", 1)[0].strip()
    bodies, rows = [], []
    for name, data in files:
        head, _, body = data.replace(b"\r\n", b"\n").partition(b"\n")
        if head.strip() != header:
            raise SystemExit(f"{name}: header differs from the first file's")
        body = body.strip(b"\n")
        bodies.append(body)
        rows.append(body.count(b"\n") + 1 if body else 0)
    names = header.decode().split("|")
    table = pacsv.read_csv(
        io.BytesIO(b"\n".join([b for b in bodies if b]) + b"\n"),
        read_options=pacsv.ReadOptions(column_names=names),
        parse_options=pacsv.ParseOptions(delimiter="|"),
        convert_options=pacsv.ConvertOptions(null_values=["NaN", "nan", ""], column_types={n: pa.float64() for n in names}),
    )
    return {n: table[n].to_numpy() for n in names}, np.array(rows)


def _values(columns) -> np.ndarray:
    """[N, S] in the engine's units: FiO2 becomes percent where it is a fraction (<= 1)."""
    n = len(next(iter(columns.values())))
    out = np.full((n, S), np.nan, dtype=np.float32)
    for j, var in enumerate(VARIABLES):
        if var.column in columns:
            out[:, j] = columns[var.column]
            if var.name == "fio2":
                x = out[:, j]
                with np.errstate(invalid="ignore"):
                    percent = np.where(x <= 1.0, x * 100.0, x)
                    out[:, j] = np.where((percent >= 21) & (percent <= 100), percent, np.nan)
    return out


def _store(path, columns, rows, records, sites, deterioration=None):
    """Writes one npz; missing label columns become -1 (masked)."""
    n = int(rows.sum())
    ones = np.full(n, -1, dtype=np.int8)
    np.savez(
        path,
        values=_values(columns),
        rows=rows.astype(np.int32),
        record=np.array(records),
        site=np.array(sites),
        split=np.array([split_of(r) for r in records]),
        age=columns["Age"].astype(np.float32),
        sex=columns["Gender"].astype(np.float32),
        iculos=columns["ICULOS"].astype(np.float32),
        sepsis=columns["SepsisLabel"].astype(np.int8) if "SepsisLabel" in columns else ones,
        deterioration=ones if deterioration is None else deterioration.astype(np.int8),
    )
    print(f"{path.name}: {len(rows)} stays, {n} hours")


def cinc2019(data: Path, work: Path):
    """Both hospitals of the 2019 challenge; record names carry the set so that A and B never collide."""
    tables, rows, records, sites = [], [], [], []
    for site in "AB":
        files = _members(data / "sepsis-cinc2019" / f"training_set{site}.dev.tar.zst")
        table, counts = _psv_table(files)
        tables.append(table)
        rows.append(counts)
        records += [name for name, _ in files]
        sites += [site] * len(files)
    columns = {k: np.concatenate([t[k] for t in tables]) for k in tables[0]}
    _store(work / "cinc2019.npz", columns, np.concatenate(rows), records, sites)


def ward(folder: Path, work: Path):
    """The simulator's ward, one PSV per bed."""
    files = [(p.stem, p.read_bytes()) for p in sorted(folder.glob("*.psv"))]
    columns, rows = _psv_table(files)
    records = [name for name, _ in files]
    _store(work / "ward.npz", columns, rows, records, ["W"] * len(files), columns["DeteriorationLabel"])


COLUMNS_2012 = {
    "HR": "HR", "SaO2": "O2Sat", "Temp": "Temp", "RespRate": "Resp", "HCO3": "HCO3", "FiO2": "FiO2",
    "pH": "pH", "PaCO2": "PaCO2", "AST": "AST", "BUN": "BUN", "ALP": "Alkalinephos", "Creatinine": "Creatinine",
    "Glucose": "Glucose", "Lactate": "Lactate", "Mg": "Magnesium", "K": "Potassium", "Bilirubin": "Bilirubin_total",
    "TroponinI": "TroponinI", "HCT": "Hct", "WBC": "WBC", "Platelets": "Platelets",
    "SysABP": "SBP", "MAP": "MAP", "DiasABP": "DBP", "NISysABP": "SBP", "NIMAP": "MAP", "NIDiasABP": "DBP",
}  # fmt: skip


def _stay_2012(text: str):
    """Hourly rows of one 2012 record: {column: {hour: value}}, static fields, last hour."""
    grid, static, last = {}, {}, 0
    for line in text.splitlines()[1:]:
        time, _, rest = line.partition(",")
        name, _, value = rest.partition(",")
        try:
            hour, x = int(time[:2]), float(value)
        except ValueError:
            continue
        last = max(last, hour)
        if name in ("Age", "Gender"):
            static[name] = x if x >= 0 else float("nan")
            continue
        column = COLUMNS_2012.get(name)
        if column is None or x < 0 or (x == 0 and name in ("MAP", "SysABP", "DiasABP", "NIMAP", "NISysABP", "NIDiasABP")):
            continue
        cell = grid.setdefault(column, {})
        # Invasive before cuff pressure, whatever order they came in.
        rank = 0 if name.startswith("NI") else 1
        if hour not in cell or rank >= cell[hour][0]:
            cell[hour] = (rank, x)
    return grid, static, min(last, 47)


def cinc2012(data: Path, work: Path):
    """Stays of 2012: deterioration label 1 in the last 24 recorded hours of a stay that ended in death."""
    folder = data / "icu-mortality-cinc2012"
    stays = []
    for part in "ab":
        died = {}
        for line in (folder / f"Outcomes-{part}.txt").read_text().splitlines()[1:]:
            fields = line.split(",")
            died[fields[0]] = int(fields[5])
        for name, raw in _members(folder / f"set-{part}.tar.zst"):
            if name in died:
                stays.append((name, died[name], *_stay_2012(raw.decode())))
    names = sorted({c for c in COLUMNS_2012.values()})
    rows = np.array([last + 1 for *_, last in stays])
    n = int(rows.sum())
    columns = {c: np.full(n, np.nan) for c in names + ["Age", "Gender", "ICULOS"]}
    label = np.zeros(n)
    at = 0
    for _, died, grid, static, last in stays:
        for column, cell in grid.items():
            for hour, (_, x) in cell.items():
                if hour <= last:
                    columns[column][at + hour] = x
        end = at + last + 1
        columns["Age"][at:end] = static.get("Age", np.nan)
        columns["Gender"][at:end] = static.get("Gender", np.nan)
        columns["ICULOS"][at:end] = np.arange(1, last + 2)
        if died:
            label[max(at, end - 24) : end] = 1
        at = end
    _store(work / "cinc2012.npz", columns, rows, [s[0] for s in stays], ["M"] * len(stays), label)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--ward", type=Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.data:
        cinc2019(args.data, args.work)
        cinc2012(args.data, args.work)
    if args.ward:
        ward(args.ward, args.work)


if __name__ == "__main__":
    main()
