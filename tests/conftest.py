"""What all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def hemo_data() -> Path:
    """The folder of real data, or a skip with the reason."""
    folder = os.environ.get("HEMO_DATA")
    if not folder:
        pytest.skip("HEMO_DATA is not set: no real data here")
    if not Path(folder).is_dir():
        pytest.skip(f"HEMO_DATA {folder} is not a folder")
    return Path(folder)
