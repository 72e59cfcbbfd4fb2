"""Writes EDF and BDF files into a folder that the real ones at hand lack: by pyedflib and edfio, and one
with gaps by hand from one of theirs. Seeded: the same each time."""

import datetime
import pathlib
import re
import sys

import edfio
import numpy as np
import pyedflib

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(20260102)
NOTES = [(0.25, -1, "begins"), (1.5, 2.125, "Anfall – связано 発作"), (3.0, 0.5, "µV")]


def by_pyedflib(name, kind, rates, record_secs=None):
    path = str(out / name)
    bits = 24 if kind in (pyedflib.FILETYPE_BDF, pyedflib.FILETYPE_BDFPLUS) else 16
    writer = pyedflib.EdfWriter(path, len(rates), file_type=kind)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    for i, rate in enumerate(rates):
        writer.setSignalHeader(
            i,
            {
                "label": f"EEG C{i + 1}",
                "dimension": "uV",
                "sample_frequency": rate,
                "physical_min": -3276.8 - i,
                "physical_max": 3276.7 + i,
                "digital_min": low,
                "digital_max": high,
                "transducer": "",
                "prefilter": "",
            },
        )
    if record_secs is not None:
        writer.setDatarecordDuration(record_secs)
    writer.setStartdatetime(datetime.datetime(2031, 5, 6, 7, 8, 9, 250_000))
    secs = 12
    writer.writeSamples([rng.uniform(-3000, 3000, secs * rate) for rate in rates])
    if kind in (pyedflib.FILETYPE_EDFPLUS, pyedflib.FILETYPE_BDFPLUS):
        for onset, duration, text in NOTES:
            writer.writeAnnotation(onset, duration, text)
    writer.close()


by_pyedflib("plain.edf", pyedflib.FILETYPE_EDF, [100, 50])
by_pyedflib("plus.edf", pyedflib.FILETYPE_EDFPLUS, [200, 10])
by_pyedflib("tenths.edf", pyedflib.FILETYPE_EDFPLUS, [200, 10], 0.1)
by_pyedflib("plain.bdf", pyedflib.FILETYPE_BDF, [128])
by_pyedflib("plus.bdf", pyedflib.FILETYPE_BDFPLUS, [128, 64])
by_pyedflib("halves.bdf", pyedflib.FILETYPE_BDFPLUS, [128, 64], 0.5)

signals = [edfio.EdfSignal(rng.normal(0, 50, 12 * 256), 256, label="EEG Fp1-Ref", physical_dimension="uV")]
notes = [edfio.EdfAnnotation(t, None if d < 0 else d, text) for t, d, text in NOTES]
edf = edfio.Edf(signals, starttime=datetime.time(1, 2, 3, 500_000), annotations=notes, data_record_duration=2)
edf.write(out / "edfio.edf")

# The same with a gap of 100.5 s before its fourth record: EDF+D, whose records keep their own time.
data = bytearray((out / "edfio.edf").read_bytes())
assert data[192:197] == b"EDF+C"
data[192:197] = b"EDF+D"
header, count = int(data[184:192]), 2
label = [data[256 + 16 * i : 272 + 16 * i].decode().strip() for i in range(count)].index("EDF Annotations")
samples = [int(data[256 + 216 * count + 8 * i : 264 + 216 * count + 8 * i]) for i in range(count)]
record = 2 * sum(samples)
for n in range(3, 6):
    at = header + n * record + 2 * sum(samples[:label])
    end = at + 2 * samples[label]
    old = re.match(rb"\+([0-9.]+)\x14\x14", data[at:end])
    new = b"+%.1f\x14\x14" % (float(old[1]) + 100.5)
    tail = bytes(data[at + old.end() : end]).rstrip(b"\0")
    data[at:end] = (new + tail).ljust(2 * samples[label], b"\0")
(out / "gap.edf").write_bytes(data)
