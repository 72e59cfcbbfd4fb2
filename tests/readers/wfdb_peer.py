"""wfdb-python reads what is listed on standard input: a record's header, or an annotation file."""

import os
import sys

import numpy as np
import wfdb

from dump import Dump


def files_of(header, folder):
    """Whether all signal files of a segment's header are there."""
    names = [name for name in header.file_name or [] if name != "~"]
    return all(os.path.exists(os.path.join(folder, name)) for name in names)


def runs(master, folder):
    """Stretches of frames of a record whose segments are all there: wfdb gives up at one that is not."""
    found, at = [], 0
    for name, frames in zip(master.seg_name, master.seg_len):
        there = name == "~" or frames == 0 or files_of(wfdb.rdheader(os.path.join(folder, name)), folder)
        if there and frames:
            if found and found[-1][1] == at:
                found[-1][1] = at + frames
            else:
                found.append([at, at + frames])
        at += frames
    return found


def record(stem, dump):
    header = wfdb.rdheader(stem)
    if isinstance(header, wfdb.MultiRecord):
        for begin, end in runs(header, os.path.dirname(stem)):
            found = wfdb.rdrecord(stem, sampfrom=begin, sampto=end, smooth_frames=False)
            channels(found, None, begin, dump)
        return
    found = wfdb.rdrecord(stem, physical=True, smooth_frames=False)
    if max(found.samps_per_frame) == 1:
        digital = wfdb.rdrecord(stem, physical=False).d_signal.T
    elif "61" in header.fmt:
        # wfdb 4.3.1 fails to give stored numbers of this format frame by frame.
        digital = None
    else:
        digital = wfdb.rdrecord(stem, physical=False, smooth_frames=False).e_d_signal
    channels(found, digital, 0, dump)


def channels(found, digital, begin, dump):
    for i, physical in enumerate(found.e_p_signal):
        per_frame = found.samps_per_frame[i]
        stored = None if digital is None else digital[i]
        rate = found.fs * per_frame
        dump.channel(i, found.sig_name[i], found.units[i], rate, begin * per_frame, stored, physical)


def annotations(path, dump):
    stem, end = os.path.splitext(path)
    found = wfdb.rdann(stem, end[1:], return_label_elements=["symbol", "label_store"])
    dump.said["hz"] = found.fs
    columns = [found.sample, found.label_store, found.symbol, found.subtype, found.chan, found.num]
    columns = [[x.item() if isinstance(x, np.generic) else x for x in column] for column in columns]
    dump.said["annotations"] = list(zip(*columns, found.aux_note))


for number, line in enumerate(sys.stdin):
    path = line.rstrip("\n")
    dump = Dump(sys.argv[1], number, path)
    try:
        if path.endswith(".hea"):
            record(path[:-4], dump)
        else:
            annotations(path, dump)
    except Exception as error:  # what it says when it gives up is the comparison's matter
        dump.said["error"] = f"{type(error).__name__}: {error}"
    dump.finish()
