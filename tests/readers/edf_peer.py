"""edfio and pyedflib read the EDF and BDF files listed on standard input: two dumps a file.

Both tell onsets of annotations since the first record, not since the header's start.
"""

import sys

import edfio
import pyedflib

from dump import Dump


def by_edfio(path, dump):
    read = edfio.read_bdf if open(path, "rb").read(1) == b"\xff" else edfio.read_edf
    edf = read(path)
    for i, signal in enumerate(edf.signals):
        rate = signal.sampling_frequency
        dump.channel(i, signal.label, signal.physical_dimension, rate, 0, signal.digital, signal.data)
    for note in edf.annotations:
        dump.said["annotations"].append([note.onset, note.duration, note.text])


def by_pyedflib(path, dump):
    edf = pyedflib.EdfReader(path)
    try:
        for i in range(edf.signals_in_file):
            digital, physical = edf.readSignal(i, digital=True), edf.readSignal(i)
            label, unit = edf.getLabel(i), edf.getPhysicalDimension(i)
            dump.channel(i, label, unit, edf.getSampleFrequency(i), 0, digital, physical)
        for onset, duration, text in zip(*edf.readAnnotations()):
            lasts = None if duration < 0 else float(duration)
            dump.said["annotations"].append([float(onset), lasts, str(text)])
    finally:
        edf.close()


for number, line in enumerate(sys.stdin):
    path = line.rstrip("\n")
    for half, read in enumerate([by_edfio, by_pyedflib]):
        dump = Dump(sys.argv[1], 2 * number + half, path)
        try:
            read(path, dump)
        except Exception as error:  # what it says when it gives up is the comparison's matter
            dump.said["error"] = f"{type(error).__name__}: {error}"
        dump.finish()
