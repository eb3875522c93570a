"""Where the person's own files lie; nothing is read or made here."""

from __future__ import annotations

import os
from pathlib import Path


def config_file(name: str) -> Path:
    """Return the path of a file of the person's settings: in `NBASSIST_CONFIG_DIR`, else where the system has them."""
    if folder := os.environ.get("NBASSIST_CONFIG_DIR"):
        return Path(folder) / name
    from platformdirs import user_config_path

    return user_config_path("nbassist") / name


def data_file(name: str) -> Path:
    """Return the path of a file that the program keeps: in `NBASSIST_DATA_DIR`, else where the system has them."""
    if folder := os.environ.get("NBASSIST_DATA_DIR"):
        return Path(folder) / name
    from platformdirs import user_data_path

    return user_data_path("nbassist") / name
