"""Write constraints.txt from what is installed in this Python: names and versions, no address, no build.

CUDA's own packages are left out: PyTorch's default build names their exact versions itself, and its processor build
does without them. pip is there before anything is installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "constraints.txt"
LEFT_OUT = re.compile(r"nvidia-|(triton|pip)$")


def constraints(frozen: Iterable[str]) -> list[str]:
    """Lines of `pip freeze` as lines of a constraints file.

    Raises ValueError for a line that is not `name==version`.
    """
    lines = []
    for line in frozen:
        match = re.fullmatch(r"([\w.-]+)==([\w.!]+)(\+[\w.]+)?", line.strip())
        if match is None:
            raise ValueError(f"cannot be pinned: {line}")
        if not LEFT_OUT.match(match[1]):
            lines.append(f"{match[1]}=={match[2]}")
    return sorted(lines, key=str.lower)


def main() -> None:
    command = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    frozen = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    TARGET.write_text("\n".join(constraints(frozen)) + "\n")


if __name__ == "__main__":
    main()
