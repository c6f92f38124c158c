"""`clearcast bench voices`: whoever has a saved voice is recognised, and nobody else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server.bench.voices import Speaker, between, hear, measure, trials
from server.client.media import open_writer
from server.clock import SAMPLE_RATE
from server.inference.diarization.diarizer import Diarizer
from server.inference.diarization.thresholds import thresholds_of
from server.speech.voices import VoiceLimits
from tests.talks import TALK_TWO, read_talk

LIMITS = VoiceLimits(0.4, 0.1)


def at(degrees: float) -> NDArray[np.float64]:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def speaker(
    recording: str, degrees: float, shares: Mapping[str, float], *, stream: int = 0, seconds: float = 10.0
) -> Speaker:
    """Sounds the same at four moments."""
    told = [(seconds * part / 4, at(degrees)) for part in (1, 2, 3, 4)]
    return Speaker(recording, stream, "S1", shares, told)


def test_strangers_and_known_people_are_counted() -> None:
    speakers = [
        speaker("a", 0, {"Ann": 1.0}),
        speaker("a", 20, {"Ann": 1.0}, stream=1),
        speaker("b", 90, {"Bob": 0.95, "Cy": 0.05}),
        speaker("c", 30, {"Cy": 1.0}),  # sounds like Ann
        speaker("d", 0, {"Ann": 0.5, "Bob": 0.5}),  # nobody's voice, and nobody who is to be recognised
        speaker("e", 0, {"Dee": 1.0}, seconds=2.0),  # too little to ask about
    ]
    figures = measure(speakers, LIMITS, "m")
    assert (figures["voices"], figures["people"]) == (4, 4)
    # Each of Ann's voices hears Bob and Cy, Bob's and Cy's hear her twice; Bob's hears Cy, Cy's the half-and-half.
    assert figures["strangers"] == 10
    assert figures["false_accept_rate"] == 5 / 10
    assert (figures["known"], figures["true_accept_rate"]) == (2, 1.0)
    assert figures["nearest_stranger"] == pytest.approx(1 - np.cos(np.radians(10)))
    assert figures["farthest_known"] == pytest.approx(1 - np.cos(np.radians(20)))


def test_the_limit_is_found_on_other_recordings_and_other_people() -> None:
    near = [speaker("a", degrees, {"Ann": 1.0}, stream=stream) for stream, degrees in enumerate((0, 10))]
    far = [speaker("b", degrees, {"Bob": 1.0}, stream=stream) for stream, degrees in enumerate((120, 170))]
    third = [speaker("c", degrees, {"Cy": 1.0}, stream=stream) for stream, degrees in enumerate((240, 245))]
    assert between(list(trials(near))) is None  # no stranger
    found = measure([*near, *far, *third], LIMITS, "m")
    assert (found["strangers"], found["false_accept_rate"], found["true_accept_rate"]) == (24, 0, 1)
    # Bob once sounds like Cy. With the limit that suits the others each is taken for the other.
    lowest, highest = found["held_out_voice"]
    assert lowest == found["between"] < 1 - np.cos(np.radians(70)) < highest
    assert found["held_out_false_accept_rate"] == 3 / 24
    assert found["held_out_true_accept_rate"] == 1


@pytest.mark.slow
def test_nobody_on_the_clips_is_named_after_somebody_else(models_dir: Path, clips_dir: Path, tmp_path: Path) -> None:
    """The real models, on 20 seconds of two clips twice: five people."""
    folder, conv = models_dir / "diarization", clips_dir / "diarization" / "conv3.flac"
    if not folder.exists() or not conv.exists():
        pytest.skip("the models or the clips of diarization are not there")
    diarizer = Diarizer.load(str(folder / "segmentation.onnx"), str(folder / "embedding.onnx"))
    speakers = []
    for clip, length in ((TALK_TWO, 40), (conv, 30)):
        audio = tmp_path / f"{clip.stem}.wav"
        writer = open_writer(audio)
        writer.write(read_talk(clip)[: length * SAMPLE_RATE])
        writer.close()
        shutil.copy(clip.with_suffix(".rttm"), audio.with_suffix(".rttm"))
        speakers += hear(diarizer, audio)
    thresholds = thresholds_of(diarizer.name)
    figures = measure(speakers, VoiceLimits(thresholds.voice, thresholds.margin), diarizer.name)
    assert figures["people"] == 5 and figures["strangers"] >= 10 and figures["known"] >= 3
    assert figures["false_accept_rate"] == 0 and figures["mistaken_rate_among_all"] == 0
    assert figures["true_accept_rate"] >= 0.6
    assert figures["farthest_known"] < thresholds.voice < figures["nearest_stranger"] - 0.1
