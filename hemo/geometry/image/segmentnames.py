"""Names of a label map's segments, as the programs that write label maps give them.

3D Slicer writes them into the header of a ``.seg.nrrd``, ITK-SNAP into a label description (``.txt`` or ``.label``),
nnU-Net into ``dataset.json``; a file beside the label map has its name, or is the ``dataset.json`` of its folder or
of the folder above.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hemo.geometry.image.segments import Segment, written

# ITK-SNAP: index, red, green, blue, opacity, visibility, mesh visibility, "name".
_ITKSNAP = re.compile(r'^\s*(\d+)\s+(?:[\d.]+\s+){6}"([^"]*)"\s*$')
_LARGEST = 1 << 20  # bytes; a list of names is small
_ENDINGS = (".nii.gz", ".hdr.gz", ".img.gz", ".seg.nrrd")


def slicer_segments(header: Mapping[str, str]) -> tuple[Segment, ...]:
    """Segments that the header of a ``.seg.nrrd`` lists; files of Slicer 4.10 and older hold one a layer."""
    found = []
    for key, name in header.items():
        match = re.fullmatch(r"Segment(\d+)_Name", key)
        if match:
            prefix = f"Segment{match[1]}_"
            value, layer = header.get(prefix + "LabelValue", "1"), header.get(prefix + "Layer", match[1])
            if value.strip().isdecimal() and layer.strip().isdecimal():
                found.append(Segment(int(value), written((name, *_terms(header.get(prefix + "Tags", "")))), int(layer)))
    return tuple(found)


def _terms(tags: str) -> tuple[str, ...]:
    """Meanings of the type and the anatomic region in a segment's terminology entry."""
    entry = re.search(r"TerminologyEntry:([^|]*)", tags)
    codes = entry[1].split("~") if entry else []
    triplets = [code.split("^") for code in codes[2:3] + codes[5:6]]
    return tuple(triplet[2] for triplet in triplets if len(triplet) == 3 and triplet[2])


def names_beside(path: Path) -> tuple[dict[int, str], Path | None]:
    """Names by number from a file beside a label map, and that file; nothing where there is none."""
    stem = path.name
    for ending in (*_ENDINGS, path.suffix):
        if ending and stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
            break
    beside = [path.with_name(stem + ending) for ending in (".txt", ".label", ".json")]
    for file in (*beside, path.parent / "dataset.json", path.parent.parent / "dataset.json"):
        if file == path or not file.is_file() or file.stat().st_size > _LARGEST:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        names = _json_names(text) if file.suffix == ".json" else _itksnap_names(text)
        if names:
            return names, file
    return {}, None


def _itksnap_names(text: str) -> dict[int, str]:
    matches = (_ITKSNAP.match(line) for line in text.splitlines())
    return {int(match[1]): match[2] for match in matches if match and int(match[1]) > 0}


def _json_names(text: str) -> dict[int, str]:
    """``{"labels": {"aorta": 1}}`` (nnU-Net 2) or ``{"labels": {"1": "aorta"}}`` (nnU-Net 1, MSD)."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    labels = data.get("labels") if isinstance(data, dict) else None
    names = {}
    for key, value in labels.items() if isinstance(labels, dict) else ():
        if isinstance(value, int):
            names[value] = key
        elif isinstance(value, str) and key.isdecimal():
            names[int(key)] = value
    return {number: name for number, name in names.items() if number > 0}
