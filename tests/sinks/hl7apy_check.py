"""A second opinion on HL7 v2: hl7apy parses every message of a folder and reads the alert back."""

import pathlib
import re
import sys

from hl7apy.parser import parse_message

count = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.hl7")):
    text = path.read_bytes().decode("utf-8")
    message = parse_message(text, find_groups=False)
    assert message.version == "2.6", message.version
    assert message.msh.msh_9.to_er7() == "ORU^R40^ORU_R40", message.msh.msh_9.to_er7()
    assert message.msh.msh_10.to_er7() == path.stem, path
    segments = [child.name for child in message.children]
    assert segments[:4] == ["MSH", "PID", "PV1", "OBR"], segments
    assert len(segments) >= 11 and set(segments[4:]) == {"OBX"}, segments
    facets = {obx.obx_4.to_er7(): obx.obx_5.to_er7() for obx in message.obx}
    assert facets["1.0.0.1.3"] in ("start", "update", "escalate", "end"), facets
    assert facets["1.0.0.1.6"] in ("PH", "PM", "PL"), facets
    # What was written is what is read: nothing is lost on the way through another's model. (hl7apy
    # does not know \\X..\\ and escapes its backslashes anew.)
    again = re.sub(r"\\E\\X([0-9A-F]+)\\E\\", r"\\X\1\\", message.to_er7())
    assert again.rstrip("\r") == text.rstrip("\r"), path
    count += 1
print(f"{count} messages")
