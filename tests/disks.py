"""Disks of a size of one's own, for what happens when one is full or cannot be written."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.machine import skip_as_root_only


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """`folder`, made where it is missing, is a disk of its own meanwhile; `options` as in tmpfs(5).

    Skips the test where nobody, or only root, may mount one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        skip_as_root_only("only root may mount a disk: run the tests in a container")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        skip_as_root_only("this machine does not let root mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def change(folder: Path, options: str) -> None:
    """Change the options of a mounted disk: its size, or whether it can be written."""
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
