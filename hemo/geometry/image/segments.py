"""Which segments of a label map are the aorta and which the coronaries: by number, by name, or as they stand."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hemo.errors import InputError

_log = logging.getLogger(__name__)

BACKGROUND, AORTA, CORONARY = 0, 1, 2

Label = int | str
Labels = Mapping[str, Label | Sequence[Label]]

_TARGETS = {"aorta": AORTA, "coronary": CORONARY}
# What is taken without being told, if the file names its segments in these words.
_USUAL = {
    "aorta": ("aorta", "aortic root", "ascending aorta", "thoracic aorta"),
    "coronary": (
        *("coronary", "coronaries", "coronary artery", "coronary arteries", "coronary lumen", "lca", "rca"),
        *("left coronary", "right coronary", "left coronary artery", "right coronary artery"),
    ),
}


@dataclass(frozen=True)
class Segment:
    """One segment that a file holds.

    Attributes
    ----------
    number
        Its value in the voxels, or its DICOM segment number.
    names
        What it may be called by, the file's own label first, then coded meanings; empty without.
    layer
        Which volume of the file it lies in, where segments overlap.
    """

    number: int
    names: tuple[str, ...] = ()
    layer: int = 0

    def __str__(self) -> str:
        return f"{self.number} ({self.names[0]})" if self.names else str(self.number)


Choice = Mapping[int, tuple[Segment, ...]]


def choose(present: Sequence[Segment], labels: Labels | None, where: str) -> Choice:
    """The segments of the aorta (may be none) and of the coronaries, by hemo's own label numbers.

    Parameters
    ----------
    present
        What the file holds, background left out.
    labels
        ``"aorta"`` and ``"coronary"``, each a number, a name or a list of them. Without it: the one segment
        there is, as the lumen; or those with the usual names; or 1 and 2 where there is nothing else.
    where
        The file, for messages.

    Raises
    ------
    InputError
        An unknown key, number or name, a segment stated twice, no coronaries, or no labels where a file
        leaves more than one reading.
    """
    if not present:
        raise InputError(f"{where}: the label map is empty (every voxel is 0); export the segmentation again.")
    if labels is None:
        return _as_they_stand(present, where)
    unknown = sorted(labels.keys() - _TARGETS.keys())
    if unknown:
        raise InputError(f"{where}: labels names {unknown[0]!r}; the names are aorta and coronary.")
    chosen: dict[int, tuple[Segment, ...]] = {}
    for name, target in _TARGETS.items():
        if name in labels:
            wanted = labels[name]
            several = [wanted] if isinstance(wanted, int | str) else wanted
            found = (segment for label in several for segment in _find(present, label, name, where))
            chosen[target] = tuple(dict.fromkeys(found))
    if not chosen.get(CORONARY):
        raise InputError(f"{where}: no label is given for the coronary lumen; state labels = {{ coronary = LABEL }}.")
    twice = set(chosen.get(AORTA, ())) & set(chosen[CORONARY])
    if twice:
        raise InputError(f"{where}: {twice.pop()} is stated both as aorta and as coronary; correct labels.")
    left = [str(segment) for segment in present if not any(segment in group for group in chosen.values())]
    if left:
        _log.info("%s: not used: %s.", where, listing(left))
    return chosen


def _as_they_stand(present: Sequence[Segment], where: str) -> Choice:
    """The choice where the user made none."""
    if len(present) == 1:
        _log.info("%s: holds one label, %s: it is taken as the whole lumen.", where, present[0])
        return {CORONARY: (present[0],)}
    if any(segment.names for segment in present):
        usual = {
            _TARGETS[name]: tuple(s for s in present if any(_plain(own) in words for own in s.names))
            for name, words in _USUAL.items()
        }
        if usual[CORONARY] and not set(usual[AORTA]) & set(usual[CORONARY]):
            for name, target in _TARGETS.items():
                _log.info("%s: %s: %s.", where, name, listing(usual[target]) or "no segment, found by its calibre")
            return usual
    elif {segment.number for segment in present} == {AORTA, CORONARY} and len(present) == 2:
        return {segment.number: (segment,) for segment in present}
    raise InputError(
        f"{where}: holds {listing(present)}; state which they are, such as labels = {{ aorta = 1, coronary = [2, 3] }}."
    )


def _find(present: Sequence[Segment], label: Label, part: str, where: str) -> list[Segment]:
    """The segments that a number or a name stands for: several where a coded meaning is shared."""
    if isinstance(label, int):
        found = [segment for segment in present if segment.number == label]
        if len({segment.layer for segment in found}) > 1:
            raise InputError(f"{where}: {len(found)} overlapping segments have the value {label}; state their names.")
        if not found:
            raise InputError(
                f"{where}: no voxel has the {part} label {label}; the file holds {listing(present)}; "
                f"state the right one under labels."
            )
        return found
    own = [segment for segment in present if segment.names and _plain(segment.names[0]) == _plain(label)]
    found = own or [segment for segment in present if _plain(label) in map(_plain, segment.names)]
    if found:
        return found
    if not any(segment.names for segment in present):
        raise InputError(
            f"{where}: names none of its segments, so that {part} cannot be {label!r}; it holds {listing(present)}: "
            f"state numbers under labels."
        )
    known = {_plain(name): name for segment in present for name in segment.names}
    near = difflib.get_close_matches(_plain(label), known, n=1)
    hint = f"did you mean {known[near[0]]!r}?" if near else "state one of these under labels."
    raise InputError(f"{where}: no segment is called {label!r}; the file holds {listing(present)}; {hint}")


def _plain(name: str) -> str:
    """A name without what writers differ in: case, underscores, spaces."""
    return " ".join(name.replace("_", " ").replace("-", " ").split()).casefold()


def written(names: Iterable[str]) -> tuple[str, ...]:
    """Names fit for a message: printable, of 64 characters at most, none empty, each once."""
    plain = ("".join(letter for letter in name if letter.isprintable()).strip()[:64] for name in names)
    return tuple(dict.fromkeys(name for name in plain if name))


def listing(items: Sequence[object], most: int = 12) -> str:
    """Some of the items, in words."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(str(item) for item in items[:most]) + more
