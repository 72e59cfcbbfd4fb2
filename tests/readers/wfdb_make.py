"""Writes records into a folder that the real ones at hand lack: by wfdb where it can write a format, and
random bytes under a header where it only reads one. Seeded: the same each time."""

import pathlib
import sys

import numpy as np
import wfdb

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(20260101)
PLAIN = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3}


def random_bytes(name, fmt, layout, frames, offset=0):
    """A record of any bytes: `layout` has samples a frame and skew of each signal."""
    samples = frames * sum(per_frame for per_frame, _ in layout)
    size = int(np.ceil(samples * PLAIN[fmt] / 4) * 4)
    data = bytearray(rng.bytes(size))
    if fmt == "311":
        # The upper two bits of each four bytes are unused; wfdb counts them in.
        data[3::4] = bytes(byte & 0x3F for byte in data[3::4])
    (out / f"{name}.dat").write_bytes(bytes(offset) + data)
    lines = [f"{name} {len(layout)} 250 {frames}"]
    for i, (per_frame, skew) in enumerate(layout):
        storage = fmt + (f"x{per_frame}" if per_frame > 1 else "") + (f":{skew}" if skew else "")
        storage += f"+{offset}" if offset else ""
        initial = int(rng.integers(-100, 100)) if fmt == "8" else 0
        lines.append(f"{name}.dat {storage} {rng.uniform(1, 300):.4f}({i})/mV 0 0 {initial} 0 0 signal {i}")
    (out / f"{name}.hea").write_text("\n".join(lines) + "\n")


for fmt in PLAIN:
    random_bytes(f"one-{fmt}", fmt, [(1, 0)], 1003)
    random_bytes(f"three-{fmt}", fmt, [(1, 0), (1, 0), (1, 0)], 1000)
    random_bytes(f"rates-{fmt}", fmt, [(1, 0), (4, 0), (3, 0)], 999)
    if fmt not in ("8", "212", "310", "311"):
        random_bytes(f"late-{fmt}", fmt, [(1, 0), (2, 0), (1, 7)], 600, offset=24)
    else:
        # wfdb 4.3.1 cannot pad a late signal of format 8, and counts bytes wrongly where samples share them.
        random_bytes(f"late-{fmt}", fmt, [(1, 0), (1, 0)], 600, offset=24)

for fmt in ["80", "212", "16", "24", "32", "508", "516", "524"]:
    for per_frame in [1, 3]:
        values = [rng.normal(0, 1, 900 * per_frame).cumsum() for _ in range(4)]
        values[1][40:90] = np.nan
        values[3][:] = 1.5
        wfdb.wrsamp(
            f"written-{fmt}-{per_frame}",
            fs=125,
            units=["mV", "mmHg", "NU", "uV"],
            sig_name=["II", "ABP", "RESP", "flat"],
            e_p_signal=values,
            samps_per_frame=[per_frame] * 4,
            fmt=[fmt] * 4,
            comments=["a comment"],
            write_dir=str(out),
        )

symbols = [label.symbol for label in wfdb.io.annotation.ann_labels if label.symbol.strip()]
steps = rng.integers(1, 3000, len(symbols))
steps[5] = 70_000
steps[9] = 2**31 - 1
steps[10] = 5_000_000
count = len(symbols)
wfdb.wrann(
    "written-16-1",
    "all",
    np.cumsum(steps),
    symbol=symbols,
    subtype=rng.integers(0, 128, count),
    chan=rng.integers(0, 256, count),
    num=rng.integers(0, 128, count),
    aux_note=["" if i % 3 else "text" * (i % 7) + "é"[: i % 2] for i in range(count)],
    write_dir=str(out),
)
custom = [(42, "q", "a code of its own"), (15, "z", "another")]
wfdb.wrann(
    "written-16-1",
    "own",
    np.array([3, 4, 900]),
    symbol=["q", "N", "z"],
    fs=1000,
    custom_labels=custom,
    write_dir=str(out),
)
