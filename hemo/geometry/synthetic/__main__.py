"""``python -m hemo.geometry.synthetic FILE``: write the label map of ``cases/left_coronary``."""

from __future__ import annotations

import sys
from pathlib import Path

from hemo.geometry.synthetic.vessels import left_coronary, write_label_map
from hemo.geometry.synthetic.wall import label_map


def main(path: str) -> None:
    """Write the label map of :func:`~hemo.geometry.synthetic.vessels.left_coronary` at 0.35 mm."""
    image = label_map(left_coronary())
    write_label_map(Path(path), image.labels, image.origin, image.spacing, image.direction)


if __name__ == "__main__":
    main(sys.argv[1])
