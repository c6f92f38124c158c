"""Make .venv/ ready for `make run` or `make test`; the standard library is enough to run this.

Usage: python3.11 tools/setup_environment.py [EXTRA …]

Says what will be downloaded and how much room it takes, then installs this folder in editable form with the given
extras. A second call finds nothing to do and returns at once. Environment: GPU=1 takes PyTorch's CUDA build, GPU=0
its processor build; otherwise an NVIDIA card decides. Where the processor build's index does not answer, the default
build is taken, which runs without a card too.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_S = 10
TORCH_PACKAGES = ("torch", "torchaudio", "torchvision")
"""Packages that come in builds."""


@dataclass(frozen=True)
class Room:
    """What an installation takes, in MB: over the network, and on the disk."""

    download: int
    disk: int

    def __add__(self, other: Room) -> Room:
        return Room(self.download + other.download, self.disk + other.disk)


TORCH_ROOM = {"cpu": Room(190, 700), "cuda": Room(3900, 6750)}
BASE_ROOM = Room(280, 1150)
EXTRA_ROOM = {"test": Room(90, 290), "quality": Room(5, 30)}
MODELS = "0.1 to 1.7 GB"
"""For noise, words and speakers: from the smallest Whisper, for one processor, to that for a graphics card."""


@dataclass(frozen=True)
class State:
    """What was installed last time; written once everything was."""

    root: str
    digest: str
    extras: tuple[str, ...]
    torch: str

    @classmethod
    def read(cls, path: Path) -> State | None:
        try:
            found = json.loads(path.read_text())
            return cls(found["root"], found["digest"], tuple(found["extras"]), found["torch"])
        except (OSError, ValueError, KeyError):
            return None


def requirements_digest(root: Path) -> str:
    """Changes when something else has to be installed; linter settings in pyproject.toml do not change it."""
    description = tomllib.loads((root / "pyproject.toml").read_text())
    project = description["project"]
    parts = [description["build-system"], project["dependencies"], project["optional-dependencies"]]
    parts += [project["scripts"], (root / "constraints.txt").read_text()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def has_nvidia_card() -> bool:
    if Path("/dev/nvidia0").exists():
        return True
    program = shutil.which("nvidia-smi")
    return program is not None and subprocess.run([program, "-L"], capture_output=True, check=False).returncode == 0


def index_answers(index: str = CPU_INDEX, timeout: float = PROBE_S) -> bool:
    """Whether the index lists PyTorch within `timeout` seconds, looking up its address included."""
    answers = threading.Event()

    def ask() -> None:
        with (
            contextlib.suppress(OSError, ValueError),
            urllib.request.urlopen(f"{index}/torch/", timeout=timeout) as answer,
        ):
            if answer.status == 200 and answer.read(1):
                answers.set()
        done.set()

    done = threading.Event()
    threading.Thread(target=ask, daemon=True).start()
    done.wait(timeout)
    return answers.is_set()


def choose_torch(wish: str | None, known: State | None) -> tuple[str, str]:
    """Which build of PyTorch to have, "cpu" or "cuda", and why."""
    if wish == "1":
        return "cuda", "GPU=1 asks for it"
    if wish != "0" and has_nvidia_card():
        return "cuda", "this machine has an NVIDIA card"
    reason = "GPU=0 asks for it" if wish == "0" else "no NVIDIA card was found"
    if known is not None:
        return known.torch, "it is installed already"
    if index_answers():
        return "cpu", reason
    return "cuda", f"{reason}, but {CPU_INDEX} does not answer; the default build runs on a processor too"


def plan_text(build: str, why: str, extras: tuple[str, ...], free_mb: int) -> str:
    room = total_room(build, extras)
    names = {"cpu": "PyTorch for processors", "cuda": "PyTorch with CUDA"}
    lines = [
        "Clearcast sets up .venv/ in this folder. It will download, once:",
        f"  {names[build]:<36}{_size(TORCH_ROOM[build].download):>9}",
        f"  {'other Python packages':<36}{_size(BASE_ROOM.download):>9}",
    ]
    for extra in extras:
        lines.append(f"  {f'packages for: {extra}':<36}{_size(EXTRA_ROOM[extra].download):>9}")
    lines.append(f"  {'models, once the server runs':<36}{MODELS:>13}   (by the hardware; kept in ~/.cache/clearcast)")
    lines.append(f"{names[build]}: {why}.")
    total = f"about {_size(room.download)} to download and {_size(room.disk)} on the disk"
    lines.append(f"Together {total}, where {_size(free_mb)} are free.")
    return "\n".join(lines)


def total_room(build: str, extras: tuple[str, ...]) -> Room:
    room = TORCH_ROOM[build] + BASE_ROOM
    for extra in extras:
        room += EXTRA_ROOM[extra]
    return room


def _size(mb: int) -> str:
    return f"{mb / 1000:.1f} GB" if mb >= 1000 else f"{mb} MB"


class Setup:
    """One virtual environment of one working copy."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.stamp = self.venv / "clearcast-setup.json"

    def run(self, extras: tuple[str, ...]) -> None:
        known = State.read(self.stamp)
        if known is not None and (known.root != str(self.root) or not self._works()):
            print("The folder or its Python has moved: .venv/ is made again.")
            known = None
            shutil.rmtree(self.venv)
        wanted = tuple(sorted(set(extras) | set(known.extras if known else ())))
        build, why = choose_torch(os.environ.get("GPU") or None, known)
        target = State(str(self.root), requirements_digest(self.root), wanted, build)
        if known == target:
            return
        if known is None or known.torch != build:
            free = shutil.disk_usage(self.root).free // 10**6
            print(plan_text(build, why, wanted, free), flush=True)
            if free < total_room(build, wanted).disk and not self.venv.exists():
                raise SystemExit("That does not fit. Make room, or unpack Clearcast on another disk.")
        else:
            print(f"Clearcast brings .venv/ up to date ({', '.join(wanted) or 'what the server needs'}).", flush=True)
        self._create()
        self._install(known, target)
        self.stamp.write_text(json.dumps(asdict(target)))

    def _works(self) -> bool:
        try:
            return subprocess.run([self.python, "-c", ""], capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def _create(self) -> None:
        if self._works():
            return
        if importlib.util.find_spec("ensurepip") is None:
            raise SystemExit("Python's venv module is not complete here: apt-get install python3.11-venv")
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.venv], check=True)

    def _install(self, known: State | None, target: State) -> None:
        self.stamp.unlink(missing_ok=True)
        if known is not None and known.torch != target.torch:
            self._pip("uninstall", "--yes", "--quiet", *TORCH_PACKAGES)
        constraints = self.root / "constraints.txt"
        if target.torch == "cpu":
            versions = pinned(constraints, TORCH_PACKAGES)
            self._pip(
                "install", "--no-deps", "--index-url", CPU_INDEX, *versions, hint=" GPU=1 takes the default build."
            )
        extras = f"[{','.join(target.extras)}]" if target.extras else ""
        self._pip("install", "--constraint", str(constraints), "--editable", f"{self.root}{extras}")

    def _pip(self, *arguments: str, hint: str = "") -> None:
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        if subprocess.run(command, cwd=self.root, check=False).returncode:
            raise SystemExit(f"pip could not do that; its last lines above say why. Start again to go on.{hint}")


def pinned(constraints: Path, names: Sequence[str]) -> list[str]:
    """The lines of a constraints file that are about `names`, in the order of `names`."""
    lines = {line.partition("==")[0].lower(): line for line in constraints.read_text().split()}
    return [lines[name] for name in names]


def main(arguments: list[str]) -> None:
    unknown = set(arguments) - set(EXTRA_ROOM)
    if unknown:
        raise SystemExit(f"There is no extra {', '.join(sorted(unknown))}; there are {', '.join(EXTRA_ROOM)}.")
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(
            f"Clearcast needs Python 3.11, this is {sys.version.split()[0]}: make PYTHON=/path/to/python3.11"
        )
    Setup().run(tuple(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
