"""Check that a virtual environment leaves numpy and the rest to its base: check_base.py CONSTRAINTS NAME..."""

import importlib
import os
import re
import sys
from pathlib import Path


def pinned(constraints: Path) -> dict[str, str]:
    """Return the versions that a constraints file names."""
    lines = constraints.read_text(encoding="utf-8").splitlines()
    pairs = (re.fullmatch(r"([\w.-]+)==(\S+)", line.strip()) for line in lines)
    return {pair[1].lower(): pair[2] for pair in pairs if pair}


def faults(constraints: Path, names: list[str]) -> list[str]:
    """Say in a sentence each what is wrong."""
    versions = pinned(constraints)
    found = []
    for name in names:
        module = importlib.import_module(name)
        file = os.path.realpath(module.__file__ or "")
        if file.startswith(os.path.realpath(sys.prefix) + os.sep):
            found.append(f"pip has put its own {name} {module.__version__} before the base's ({file}).")
        elif name in versions and module.__version__ != versions[name]:
            found.append(
                f"{name} is {module.__version__}, but {constraints.name} says {versions[name]}: correct the line."
            )
    importlib.import_module("dolfinx")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(f"hemo: {sentence}" for sentence in faults(Path(sys.argv[1]), sys.argv[2:])) or 0)
