"""What making a recording of a long file takes in memory, against a short one; with a scripted denoiser."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np

from server.process import keep_memory_steady


class HalfAsLoud:
    """Stands where the denoiser does."""

    engine = "scripted"
    delay = 1440

    async def clean(self, rows: list[Any], lead: int, first: bool) -> list[Any]:
        """Rows without lead and lookahead."""
        return [row[lead : len(row) - self.delay] / 2 for row in rows]

    async def close(self) -> None:
        """Nothing is open."""


def memory_ratio(short_s: float, long_s: float) -> dict[str, Any]:
    """Peak memory of the process that works, for audio of two lengths: each in a process of its own."""
    short, long = [_peak(seconds) for seconds in (short_s, long_s)]
    return {"memory_short_mb": short, "memory_long_mb": long, "memory_ratio": round(long / short, 3)}


def _peak(seconds: float) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "server.bench.memory", str(seconds)], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout)["peak_mb"])


async def _make(seconds: float, folder: Path) -> None:
    from server.uploads.making import Maker

    source = folder / "long.wav"
    await asyncio.to_thread(_synthetic, source, seconds)

    async def open_denoiser() -> HalfAsLoud:
        return HalfAsLoud()

    async def tell(_seconds: float) -> None:
        """Nobody listens."""

    await Maker(open_denoiser, seconds + 1, 32_000).make(source, folder, True, tell)


def _synthetic(path: Path, seconds: float) -> None:
    """Bursts of noise over a quiet hiss, 16 kHz, 16 bits."""
    random = np.random.default_rng(1)
    second = (random.normal(0, 0.1, 16_000) * np.hanning(16_000) + random.normal(0, 0.001, 16_000)) * 32_767
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        for _ in range(round(seconds)):
            file.writeframes(second.astype("<i2").tobytes())


def main() -> int:
    """Make one recording, as the process of jobs does, and print the peak of this process."""
    keep_memory_steady()
    with tempfile.TemporaryDirectory(prefix="clearcast-bench-") as folder:
        asyncio.run(_make(float(sys.argv[1]), Path(folder)))
    # Not what getrusage says: that is handed down from whoever started this process.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    sys.stdout.write(json.dumps({"peak_mb": int(peak[1]) / 1024}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
