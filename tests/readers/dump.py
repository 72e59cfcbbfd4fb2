"""What an independent reader makes of a file, written down for comparison: `N.json` and `N.bin`.

The binary file holds each channel's stored numbers (int32; the smallest one where there is no sample),
then the same in the physical unit (float64; NaN where there is no sample), little endian.
"""

import json
import pathlib

import numpy as np

NO_SAMPLE = np.iinfo(np.int32).min


class Dump:
    def __init__(self, out, number, source):
        self.base = pathlib.Path(out) / str(number)
        self.said = {"source": str(source), "error": None, "channels": [], "annotations": []}
        self.file = open(f"{self.base}.bin", "wb")

    def channel(self, number, label, unit, rate_hz, first, digital, physical):
        """Writes one channel; `digital` is None where only physical values can be compared."""
        physical = np.asarray(physical, dtype="<f8")
        entry = {"number": number, "label": label, "unit": unit, "rate_hz": float(rate_hz)}
        entry |= {"first": int(first), "count": len(physical), "has_digital": digital is not None}
        if digital is not None:
            digital = np.asarray(digital).astype("<i4").copy()
            assert len(digital) == len(physical)
            digital[np.isnan(physical)] = NO_SAMPLE
            entry["digital_at"] = self.file.tell()
            self.file.write(digital.tobytes())
        entry["physical_at"] = self.file.tell()
        self.file.write(physical.tobytes())
        self.said["channels"].append(entry)

    def finish(self):
        self.file.close()
        pathlib.Path(f"{self.base}.json").write_text(json.dumps(self.said))
