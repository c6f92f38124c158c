"""Models that follow a script, for the caption worker: in its process, or in the test's own."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from server.errors import ModelCorrupt
from server.inference.caption_lane import CaptionOptions, TurnRevision, Turns, VoicePrints
from server.inference.captioning.finding import NEEDED
from server.inference.captioning.models import Models
from server.inference.captioning.settings import CaptionWorkerConfig
from server.speech.decoded import Decoded
from server.speech.heard import Heard
from server.speech.processor import Request, SpeakerTurn
from tests.speech.scripted import Line, ScriptedTalk, scripted_vad

LOADER = "tests.inference.captioning.scripted:load"
MODEL = "scripted-whisper"


def install(folder: Path, lines: Sequence[Line], **faults: Any) -> Path:
    """A model's folder with a script in it. `faults`: see `load`."""
    model = folder / MODEL
    model.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        (model / name).write_text("{}")
    (model / "script.json").write_text(json.dumps({"lines": lines, **faults}))
    return folder


def load(config: CaptionWorkerConfig) -> Models:
    """The script's models.

    `while_missing`: refuses to load while there is no such file. `die_at`: seconds of the stream; a window that
    holds them ends the process, once, or each time with `die_always`. `speakers`: who speaks, in turns of two seconds.
    """
    assert config.recogniser_dir is not None
    folder = Path(config.recogniser_dir)
    script = json.loads((folder / "script.json").read_text())
    if "while_missing" in script and not Path(script["while_missing"]).exists():
        raise ModelCorrupt("The script is not to be had yet.")
    with (folder / "loads").open("a") as loads:
        loads.write("once\n")
    talk = ScriptedTalk([tuple(line) for line in script["lines"]])

    def transcribe(requests: Sequence[Request]) -> list[Any]:
        for request in requests:
            start = float(request.options["start"] or 0) / 48_000
            if start <= script.get("die_at", -1) < start + len(request.arrays[0]) / 16_000:
                done = folder / "died"
                if script.get("die_always") or not done.exists():
                    done.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                    time.sleep(10)
        return [talk(request) for request in requests]

    speakers = script.get("speakers")
    return Models(
        transcribe=transcribe,
        voice=lambda requests: [scripted_vad(request) for request in requests],
        diarizer=ScriptedDiarizer(speakers) if speakers else None,
    )


def load_bare(config: CaptionWorkerConfig) -> Models:
    """A model that hears nothing."""
    return Models(lambda requests: [Decoded(()) for _ in requests], lambda requests: list(map(scripted_vad, requests)))


class ScriptedDiarizer:
    """Knows who speaks: `speakers` one after the other, two seconds each. What was heard is told at once."""

    name = "script"

    def __init__(self, speakers: Sequence[str]) -> None:
        self.speakers = speakers
        self.opened: list[tuple[int, VoicePrints | None]] = []
        self.batches: list[int] = []

    def open(self, options: CaptionOptions, start: int, voices: VoicePrints | None) -> list[int]:
        self.opened.append((start, voices))
        return [start]

    def hear(self, pushed: Sequence[tuple[list[int], Heard | None]]) -> list[list[Turns | TurnRevision | VoicePrints]]:
        self.batches.append(len(pushed))
        return [[] if heard is None else self._said(stream, heard) for stream, heard in pushed]

    def conclude(self, stream: list[int]) -> list[Turns | TurnRevision | VoicePrints]:
        return []

    def _said(self, stream: list[int], heard: Heard) -> list[Turns | TurnRevision | VoicePrints]:
        assert heard.start == stream[0], "audio has a hole"
        stream[0] = heard.end
        turns, at = [], heard.start
        while at < heard.end:
            number = at // 96_000
            until = min(heard.end, (number + 1) * 96_000)
            turns.append(SpeakerTurn(at, until, self.speakers[number % len(self.speakers)], 1.0))
            at = until
        prints = VoicePrints("script", {name: np.ones(3, np.float32) for name in self.speakers}, {"S1": 1.0})
        return [Turns(tuple(turns), heard.end), prints]
