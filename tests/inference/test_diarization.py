"""Who speaks when: model files of every kind, one stream live, many at once, and a whole recording."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.frame import Samples
from server.bench.diarization_error import first_told, read_rttm, run_diart, score, told_in_the_end
from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest, ModelCorrupt, ModelMissing, SettingsError
from server.inference.caption_lane import CaptionOptions, TurnRevision, Turns, Urgency, VoicePrints
from server.inference.diarization.diarizer import Diarizer
from server.inference.diarization.embedding import Embedder, filter_banks
from server.inference.diarization.groups import centroids_of, group
from server.inference.diarization.hints import MOST_SPEAKERS, SpeakerHints
from server.inference.diarization.libraries import load_libraries
from server.inference.diarization.live import LiveSettings
from server.inference.diarization.segmentation import Segmenter, powerset
from server.inference.diarization.thresholds import OTHERS, Thresholds
from server.speech.heard import HEARD_RATE, Heard
from server.speech.processor import SpeakerTurn

sf = pytest.importorskip("soundfile")

EXCERPT_S = 24
"""All three speakers of conv3 are heard in it."""


class Remembered:
    """A model that is asked the same question once: many tests hear the same excerpt."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self.run = run
        self.calls = 0
        self._answers: dict[bytes, Any] = {}

    def __call__(self, *batch: Any) -> Any:
        answers = []
        for row in zip(*batch, strict=True):
            key = b"".join(np.ascontiguousarray(part).tobytes() for part in row)
            if key not in self._answers:
                self.calls += 1
                self._answers[key] = self.run(*(part[None] for part in row))[0]
            answers.append(self._answers[key])
        return np.stack(answers)


@pytest.fixture(scope="module")
def diarizer(models_dir: Path) -> Diarizer:
    folder = models_dir / "diarization"
    if not folder.exists():
        pytest.skip("the diarization models are not there")
    loaded = Diarizer.load(str(folder / "segmentation.onnx"), str(folder / "embedding.onnx"))
    loaded.segmenter._run = Remembered(loaded.segmenter._run)
    loaded.embedder._run = Remembered(loaded.embedder._run)
    return loaded


@pytest.fixture(scope="module")
def talk(clips_dir: Path) -> Samples:
    path = clips_dir / "diarization" / "conv3.flac"
    if not path.exists():
        pytest.skip("the clips for diarization are not there")
    samples, rate = sf.read(path, dtype="float32")
    assert rate == HEARD_RATE
    return samples[: EXCERPT_S * HEARD_RATE]


@pytest.fixture(scope="module")
def reference(clips_dir: Path) -> list[SpeakerTurn]:
    return read_rttm(clips_dir / "diarization" / "conv3.rttm")


def run(
    diarizer: Diarizer,
    audio: Samples,
    options: CaptionOptions | None = None,
    *,
    start: int = 0,
    voices: VoicePrints | None = None,
    piece: int = 7_777,
) -> list[Any]:
    """Everything that is said of the audio, pushed in pieces that fit nothing."""
    stream = diarizer.open(options or CaptionOptions(), start, voices)
    said: list[Any] = []
    for first in range(0, len(audio), piece):
        said += stream.push(Heard(start + 3 * first, audio[first : first + piece]))
    return said + stream.flush()


def speakers(turns: Sequence[SpeakerTurn]) -> list[str]:
    """In order of appearance."""
    return list(dict.fromkeys(turn.speaker for turn in turns))


# ---- what is told


@pytest.mark.slow
def test_it_is_no_worse_than_diarts_own_pipeline(
    diarizer: Diarizer, talk: Samples, reference: list[SpeakerTurn]
) -> None:
    duration = 3 * len(talk)
    said = run(diarizer, talk)
    ours = score(reference, first_told(said), duration)
    theirs = score(reference, run_diart(talk, diarizer), duration)
    revised = score(reference, told_in_the_end(said), duration)
    assert ours.rate is not None and theirs.rate is not None and revised.rate is not None
    assert ours.rate <= theirs.rate + 0.005
    assert theirs.speakers == ours.speakers
    assert revised.rate < ours.rate - 0.03


def test_turns_come_in_time_and_in_order(diarizer: Diarizer, talk: Samples) -> None:
    start = 480_123
    said = run(diarizer, talk, start=start)
    reached = start
    for item in said:
        if isinstance(item, Turns):
            assert all(reached <= turn.start < turn.end <= item.watermark for turn in item.turns)
            assert item.watermark > reached
            reached = item.watermark
        elif isinstance(item, TurnRevision):
            assert start <= item.start < item.end <= reached
            assert all(item.start <= turn.start < turn.end <= item.end for turn in item.turns)
    assert reached == start + 3 * len(talk)
    assert speakers(first_told(said)) == ["S1", "S2", "S3"]
    prints = [item for item in said if isinstance(item, VoicePrints)][-1]
    assert prints.model == diarizer.name and set(prints.centroids) == {"S1", "S2", "S3"}
    assert all(np.linalg.norm(centroid) == pytest.approx(1, abs=1e-5) for centroid in prints.centroids.values())


def test_cutting_the_audio_otherwise_changes_nothing(diarizer: Diarizer, talk: Samples) -> None:
    audio = talk[: 12 * HEARD_RATE]
    assert told_in_the_end(run(diarizer, audio, piece=100_000)) == told_in_the_end(run(diarizer, audio, piece=960))


def test_more_latency_says_it_later(diarizer: Diarizer, talk: Samples, reference: list[SpeakerTurn]) -> None:
    slow = Diarizer(diarizer.segmenter, diarizer.embedder, LiveSettings(latency=2.0))
    stream = slow.open(CaptionOptions(), 0)
    said = stream.push(Heard(0, talk[: 10 * HEARD_RATE]))
    assert max(item.watermark for item in said if isinstance(item, Turns)) == round(8.5 * SAMPLE_RATE)
    rest = stream.flush()
    assert max(item.watermark for item in rest if isinstance(item, Turns)) == 10 * SAMPLE_RATE
    with pytest.raises(SettingsError):
        LiveSettings(latency=5.5)


def test_many_streams_at_once_hear_what_each_hears_alone(diarizer: Diarizer, talk: Samples) -> None:
    parts = [talk[: 8 * HEARD_RATE], talk[8 * HEARD_RATE : 16 * HEARD_RATE]]
    streams = [diarizer.open_live(SpeakerHints(), 0) for _ in parts]
    together: list[list[Any]] = [[], []]
    for first in range(0, len(parts[0]), HEARD_RATE):
        pushed = [
            (stream, Heard(3 * first, part[first : first + HEARD_RATE]))
            for stream, part in zip(streams, parts, strict=True)
        ]
        for index, said in enumerate(diarizer.hear(pushed)):
            together[index] += said
    for index, said in enumerate(diarizer.hear([(stream, None) for stream in streams])):
        together[index] += said
    for part, said in zip(parts, together, strict=True):
        assert told_in_the_end(said) == told_in_the_end(run(diarizer, part))


def test_after_a_restart_speakers_keep_their_labels(
    diarizer: Diarizer, talk: Samples, reference: list[SpeakerTurn]
) -> None:
    half = 14 * HEARD_RATE
    before = run(diarizer, talk[:half])
    prints = [item for item in before if isinstance(item, VoicePrints)][-1]
    after = run(diarizer, talk[half:], start=3 * half, voices=prints)
    joined = score(reference, [*told_in_the_end(before), *told_in_the_end(after)], 3 * len(talk))
    whole = score(reference, told_in_the_end(run(diarizer, talk)), 3 * len(talk))
    assert joined.speakers == 3
    assert joined.rate is not None and whole.rate is not None and joined.rate < whole.rate + 0.1

    foreign = VoicePrints("another-00000000", {"S7": np.ones(4, np.float32)}, {"S7": 9.0})
    labels = speakers(first_told(run(diarizer, talk[:half], voices=foreign)))
    assert labels and labels[0] == "S8"  # not compared, and not given to somebody else either


def test_nobody_is_told_apart_beyond_what_is_expected(diarizer: Diarizer, talk: Samples) -> None:
    two = run(diarizer, talk, CaptionOptions(speakers=2))
    assert speakers(first_told(two)) == ["S1", "S2"]
    alone = run(diarizer, talk, CaptionOptions(speakers=1))
    assert speakers(told_in_the_end(alone)) == ["S1"]
    for wrong in (
        CaptionOptions(speakers=0),
        CaptionOptions(speakers=MOST_SPEAKERS + 1),
        CaptionOptions(min_speakers=4, max_speakers=3),
    ):
        with pytest.raises(InvalidRequest):
            diarizer.open(wrong, 0)


def test_a_whole_recording_is_divided_better(diarizer: Diarizer, talk: Samples, reference: list[SpeakerTurn]) -> None:
    said = run(diarizer, talk, CaptionOptions(urgency=Urgency.FILE), start=0)
    live = score(reference, told_in_the_end(run(diarizer, talk)), 3 * len(talk))
    final = score(reference, told_in_the_end(said), 3 * len(talk))
    assert final.speakers == 3
    assert final.rate is not None and live.rate is not None and final.rate <= live.rate + 0.01
    assert [item.watermark for item in said if isinstance(item, Turns)][-1] == 3 * len(talk)
    hinted = run(diarizer, talk, CaptionOptions(urgency=Urgency.FILE, speakers=2))
    assert len(speakers(told_in_the_end(hinted))) == 2


def test_an_offset_and_clipping_do_little(diarizer: Diarizer, talk: Samples, reference: list[SpeakerTurn]) -> None:
    audio = talk[: 12 * HEARD_RATE]
    plain = score(reference, told_in_the_end(run(diarizer, audio)), 3 * len(audio))
    bad = np.clip(4 * audio + 0.2, -1, 1).astype(np.float32)
    heard = score(reference, told_in_the_end(run(diarizer, bad)), 3 * len(audio))
    assert heard.rate is not None and plain.rate is not None and heard.rate < plain.rate + 0.15


# ---- what must not cost, grow or break


FRAMES = 293


class Scripted:
    """Models whose answers are written into the audio: sample 0 of a window's last half second says who speaks."""

    def __init__(self, people: int) -> None:
        rng = np.random.default_rng(5)
        self.voices = rng.normal(size=(people, 64)).astype(np.float32)
        self.embedded = 0
        thresholds = Thresholds(active=0.5, update=0.05, new=0.7, same=0.5, voice=0.4, margin=0.1)
        self.diarizer = Diarizer(Segmenter(self.segment), Embedder("scripted-0", thresholds, self.embed))

    def segment(self, windows: Any) -> Any:
        found = np.zeros((len(windows), FRAMES, 3), np.float32)
        found[:, -60:, 0] = np.abs(windows[:, -1:]) > 0.001
        return found

    def embed(self, windows: Any, weights: Any) -> Any:
        self.embedded += len(windows)
        who = np.round(windows[:, -1] * 1000).astype(int) - 2
        return self.voices[who]


def test_a_hundred_changes_a_minute_and_more_people_than_places() -> None:
    script = Scripted(30)
    minutes = 4
    audio = np.zeros(minutes * 60 * HEARD_RATE, np.float32)
    change = round(0.6 * HEARD_RATE)
    for number, first in enumerate(range(0, len(audio), change)):
        audio[first : first + change] = (number % 30 + 2) / 1000
    said = run(script.diarizer, audio, piece=48_000)
    labels = speakers(first_told(said))
    assert 10 <= len(labels) <= MOST_SPEAKERS
    prints = [item for item in said if isinstance(item, VoicePrints)][-1]
    stacked = np.stack(list(prints.centroids.values()))
    # Nobody's centroid was written over with somebody else's.
    assert (stacked @ stacked.T)[~np.eye(len(stacked), dtype=bool)].max() < 0.9


def test_silence_costs_nothing_and_nothing_grows() -> None:
    script = Scripted(2)
    stream = script.diarizer.open(CaptionOptions(), 0)
    silence = np.zeros(HEARD_RATE, np.float32)
    sizes = []
    for second in range(20 * 60):
        audio = silence if second % 60 else np.full(HEARD_RATE, 0.002, np.float32)
        stream.push(Heard(second * SAMPLE_RATE, audio))
        if second in (5 * 60, 20 * 60 - 1):
            live = stream.live
            sizes.append((len(live._audio), len(live._assigned), len(live._told), script.embedded))
    assert sizes[0][:3] == sizes[1][:3]
    assert sizes[1][3] <= 20 * 3  # the seconds with speech, not the others


def test_embeddings_of_ten_hours_are_grouped_in_seconds() -> None:
    rng = np.random.default_rng(3)
    people = rng.normal(size=(5, 64))
    who = rng.integers(0, 5, 20_000)
    vectors = people[who] + 0.35 * rng.normal(size=(len(who), 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    seconds = rng.uniform(1, 5, len(who))
    groups = group(vectors, seconds, 0.5, 1, 20)
    assert groups.max() == 4
    assert all(len(set(groups[who == person])) == 1 for person in range(5))
    assert centroids_of(vectors, seconds, groups).shape == (5, 64)
    assert group(vectors[:500], seconds[:500], 0.5, 1, 2).max() == 1
    assert group(vectors[:500], seconds[:500], 0.5, 7, 20).max() == 6


# ---- model files


def exported(module: Any, arrays: Sequence[Any], path: Path, names: Sequence[str], output: str, axes: Any) -> Path:
    """Write a torch module as ONNX. The exporter needs package `onnx` only for functions that nobody has here."""
    import torch
    from torch.onnx._internal import onnx_proto_utils

    buffer = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_proto_utils, "_add_onnxscript_fn", lambda content, _: content)
        torch.onnx.export(
            module.eval(),
            tuple(torch.from_numpy(array) for array in arrays),
            buffer,
            dynamo=False,
            input_names=list(names),
            output_names=[output],
            dynamic_axes=axes,
        )
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.filterwarnings("ignore")
def test_the_published_kinds_of_files_are_recognised(tmp_path: Path) -> None:
    import torch

    class Powerset(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv1d(1, 7, 991, stride=270)

        def forward(self, x: Any) -> Any:
            return torch.log_softmax(self.layer(x).transpose(1, 2), -1)

    class OfBanks(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(80, 192)

        def forward(self, x: Any) -> Any:
            return torch.tanh(self.layer(x)).mean(1)

    window = np.random.default_rng(1).normal(0, 0.1, 5 * HEARD_RATE).astype(np.float32)
    sets = exported(
        Powerset(),
        [window[None, None]],
        tmp_path / "s.onnx",
        ["x"],
        "y",
        {"x": {0: "N", 2: "T"}, "y": {0: "N", 1: "F"}},
    )
    found = Segmenter.load(str(sets)).segment([window, 0.5 * window])
    assert found[0].shape == (293, 3) and found[0].min() >= 0 and found[0].max() <= 1

    banks = exported(
        OfBanks(),
        [np.zeros((1, 500, 80), np.float32)],
        tmp_path / "e.onnx",
        ["x"],
        "embedding",
        {"x": {0: "N", 1: "T"}},
    )
    embedder = Embedder.load(str(banks))
    assert embedder.identity.startswith("e-") and embedder.thresholds == OTHERS
    everything, nothing = np.ones(293, np.float32), np.full(293, 1e-8, np.float32)
    first_half = np.where(np.arange(293) < 146, everything, nothing)
    vectors = embedder.embed([window, window, window], [everything, nothing, first_half])
    assert vectors.shape == (3, 192)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1) and np.isnan(vectors[1]).all()
    alone = filter_banks(window)[: 146 * 500 // 293]
    expected = embedder._run(np.stack([window]), np.stack([first_half]))[0]
    assert len(alone) > 200 and not np.allclose(vectors[2], vectors[0])
    assert np.allclose(vectors[2], expected / np.linalg.norm(expected), atol=1e-6)
    assert Diarizer(Segmenter.load(str(sets)), embedder).name == embedder.identity

    with pytest.raises(ModelCorrupt):
        Embedder.load(str(sets))
    with pytest.raises(ModelCorrupt):
        Segmenter.load(str(banks))


def test_files_that_cannot_be_used_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        Segmenter.load(str(tmp_path / "none.onnx"))
    with pytest.raises(ModelMissing):
        Embedder.load(str(tmp_path / "none.onnx"))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ModelCorrupt):
        Segmenter.load(str(broken))


def test_classes_of_a_powerset() -> None:
    rows = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
    assert powerset(3, 2).tolist() == rows


def test_whoever_looks_at_every_module_of_the_process_may_do_so() -> None:
    load_libraries()
    assert "speechbrain" in sys.modules
    for module in list(sys.modules.values()):
        getattr(module, "__file__", None)  # old names that speechbrain keeps would import what is not installed
