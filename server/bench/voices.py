"""How surely known voices are recognised, and strangers are not: `clearcast bench voices`.

Every recording is heard live, a long one as two streams. Who is clear in a stream is saved as a voice, as a person
would; the voice is then known to every other stream. A stranger whom it names, at whatever moment, is a false accept;
a person who has it and is named in the end is a true one. What separates the two is found on the other recordings and
other people as well, and tried on the one that was held out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.audio.resample import resample
from server.bench.caption_speakers import load_diarizer
from server.bench.common import emit, main, note
from server.bench.diarization_error import read_rttm, told_in_the_end
from server.client.demo import TALK
from server.client.media import read_audio
from server.clock import SAMPLE_RATE
from server.config import load_settings
from server.errors import ModelMissing
from server.inference.caption_lane import CaptionOptions, VoicePrints
from server.inference.diarization.diarizer import Diarizer
from server.recordings.voices import LEAST_HEARD
from server.speech import voices
from server.speech.heard import HEARD_RATE, RATIO, Heard
from server.speech.processor import SpeakerTurn
from server.speech.voices import EnrolledVoice, VoiceBook, VoiceLimits

HALVED_S = 20.0
"""Recordings from this length on are two streams."""
CLEAR = 0.9
"""Share of a speaker's time that must be one person's: a person who saves a voice hears whose it is."""
MOSTLY = 0.6
"""The same for somebody who is to be recognised: diarization errs."""
_PIECE = HEARD_RATE


@dataclass(frozen=True, slots=True, eq=False)
class Speaker:
    """Somebody as one stream heard them: `shares` of the time by person, and what was told of the voice, in order."""

    recording: str
    stream: int
    label: str
    shares: Mapping[str, float]
    told: Sequence[tuple[float, NDArray[Any]]]
    """Seconds heard so far, and the centroid."""

    @property
    def person(self) -> str | None:
        return max(self.shares, key=lambda person: self.shares[person], default=None)

    def is_mostly(self, share: float) -> bool:
        return max(self.shares.values(), default=0.0) >= share


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Whether `voice` names `speaker`; `known`: it is theirs."""

    voice: Speaker
    speaker: Speaker
    known: bool

    @property
    def distances(self) -> list[float]:
        """At every moment at which it was asked."""
        own = self.voice.told[-1][1]
        return [
            voices.distance(own, centroid) for seconds, centroid in self.speaker.told if seconds >= voices.LEAST_HEARD
        ]

    def involves(self, recording: str, people: set[str]) -> bool:
        """Whether it has anything to do with a recording or its people."""
        return recording in (self.voice.recording, self.speaker.recording) or bool(
            people & {*self.voice.shares, *self.speaker.shares}
        )


@dataclass(slots=True)
class Counted:
    """How many strangers and known people there were, and how many of them were named."""

    strangers: int = 0
    false: int = 0
    known: int = 0
    true: int = 0

    def add(self, trial: Trial, limits: VoiceLimits, model: str) -> None:
        ever, finally_ = named(trial.speaker, {"voice": trial.voice.told[-1][1]}, limits, model)
        if trial.known:
            self.known += 1
            self.true += finally_ is not None
        else:
            self.strangers += 1
            self.false += bool(ever)

    def figures(self, prefix: str = "") -> dict[str, float | int | None]:
        return {
            f"{prefix}strangers": self.strangers,
            f"{prefix}false_accept_rate": self.false / self.strangers if self.strangers else None,
            f"{prefix}known": self.known,
            f"{prefix}true_accept_rate": self.true / self.known if self.known else None,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench voices`."""
    parser.add_argument(
        "--audio",
        type=Path,
        nargs="+",
        help="recordings with an RTTM file of the same name, or of one person whose name the file's begins with "
        "(default: those in CLEARCAST_CLIPS_DIR, else the bundled talk)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when there was anything to measure. Raises ModelMissing."""
    diarizer = load_diarizer(load_settings())
    if diarizer is None:
        raise ModelMissing("The models of diarization are not installed.")
    speakers = []
    for path in arguments.audio or recordings():
        note(f"{path.name} …")
        speakers += hear(diarizer, path)
    thresholds = diarizer.embedder.thresholds
    emit(measure(speakers, VoiceLimits(thresholds.voice, thresholds.margin), diarizer.name), arguments)
    return 0


def recordings() -> list[Path]:
    """What there is to try it on."""
    folder = Path(os.environ.get("CLEARCAST_CLIPS_DIR", ""))
    told = [path.with_suffix(".flac") for path in sorted(folder.glob("*/*.rttm"))]
    return [*told, *sorted(folder.glob("speech/*.flac"))] if os.environ.get("CLEARCAST_CLIPS_DIR") else [TALK]


def measure(speakers: Sequence[Speaker], limits: VoiceLimits, model: str) -> dict[str, Any]:
    """All figures: with the limits as they are, and with those that the other recordings would have given."""
    found = list(trials(speakers))
    shipped, held_out = Counted(), Counted()
    for trial in found:
        shipped.add(trial, limits, model)
    tuned = []
    for recording in dict.fromkeys(speaker.recording for speaker in speakers):
        people = {person for speaker in speakers if speaker.recording == recording for person in speaker.shares}
        others = [trial for trial in found if not trial.involves(recording, people)]
        middle = between(others)
        if middle is None:
            continue
        tuned.append(middle)
        for trial in found:
            if trial.speaker.recording == recording:
                held_out.add(trial, VoiceLimits(middle, limits.margin), model)
    strangers, known = _distances(found, known=False), _distances(found, known=True)
    return {
        "model": model,
        "voice": limits.nearest,
        "margin": limits.margin,
        "recordings": len({speaker.recording for speaker in speakers}),
        "voices": len({trial.voice for trial in found}),
        "people": len({person for speaker in speakers for person in speaker.shares}),
        **shipped.figures(),
        **all_at_once(speakers, limits, model),
        "nearest_stranger": min(strangers, default=None),
        "farthest_known": max(known, default=None),
        "between": between(found),
        "held_out_voice": [min(tuned), max(tuned)] if tuned else None,
        **held_out.figures("held_out_"),
    }


def hear(diarizer: Diarizer, path: Path) -> list[Speaker]:
    """The speakers of a recording, as its streams tell of them."""
    audio = resample(read_audio(path), SAMPLE_RATE, HEARD_RATE)
    reference = path.with_suffix(".rttm")
    whole = [SpeakerTurn(0, RATIO * len(audio), path.stem.partition("-")[0], 1.0)]
    turns = read_rttm(reference) if reference.is_file() else whole
    half = len(audio) // 2 // HEARD_RATE * HEARD_RATE if len(audio) >= HALVED_S * HEARD_RATE else len(audio)
    streams = [piece for piece in ((0, half), (half, len(audio))) if piece[0] < piece[1]]
    found: list[Speaker] = []
    for number, (begin, end) in enumerate(streams):
        stream = diarizer.open(CaptionOptions(), 0)
        said: list[Any] = []
        for first in range(begin, end, _PIECE):
            said += stream.push(Heard((first - begin) * RATIO, audio[first : min(first + _PIECE, end)]))
        said += stream.flush()
        spoken = [replace(turn, start=turn.start - RATIO * begin, end=turn.end - RATIO * begin) for turn in turns]
        found += _speakers(path.stem, number, said, spoken)
    return found


def _speakers(recording: str, number: int, said: Sequence[Any], spoken: Sequence[SpeakerTurn]) -> Iterator[Speaker]:
    told: dict[str, list[tuple[float, NDArray[Any]]]] = {}
    for prints in (item for item in said if isinstance(item, VoicePrints)):
        for label, centroid in prints.centroids.items():
            told.setdefault(label, []).append((prints.seconds[label], np.asarray(centroid)))
    turns = told_in_the_end(said)
    for label, centroids in told.items():
        overlaps: dict[str, int] = {}
        for turn in (turn for turn in turns if turn.speaker == label):
            for other in spoken:
                common = min(turn.end, other.end) - max(turn.start, other.start)
                if common > 0:
                    overlaps[other.speaker] = overlaps.get(other.speaker, 0) + common
        total = max(1, sum(overlaps.values()))
        shares = {person: overlap / total for person, overlap in overlaps.items()}
        yield Speaker(recording, number, label, shares, centroids)


def trials(speakers: Sequence[Speaker]) -> Iterator[Trial]:
    """Every voice with every speaker of another stream who was heard for long enough to be asked about."""
    for voice in filter(_makes_a_voice, speakers):
        for speaker in speakers:
            same = (voice.recording, voice.stream) == (speaker.recording, speaker.stream)
            if same or speaker.told[-1][0] < voices.LEAST_HEARD:
                continue
            if voice.person not in speaker.shares:
                yield Trial(voice, speaker, known=False)
            elif voice.person == speaker.person and speaker.is_mostly(MOSTLY):
                yield Trial(voice, speaker, known=True)


def _makes_a_voice(speaker: Speaker) -> bool:
    return speaker.is_mostly(CLEAR) and speaker.told[-1][0] >= LEAST_HEARD


def named(
    speaker: Speaker, known: Mapping[str, NDArray[Any]], limits: VoiceLimits, model: str
) -> tuple[set[str], str | None]:
    """Which of the `known` voices a speaker was ever named after, and which in the end."""
    book = VoiceBook(EnrolledVoice(name, model, centroid) for name, centroid in known.items())
    held: dict[str, str] = {}
    ever: set[str] = set()
    for seconds, centroid in speaker.told:
        changes = book.look(model, {speaker.label: centroid}, {speaker.label: seconds}, limits, held)
        for label, voice in changes.items():
            if voice is None:
                held.pop(label, None)
            else:
                held[label] = voice
                ever.add(voice)
    return ever, held.get(speaker.label)


def all_at_once(speakers: Sequence[Speaker], limits: VoiceLimits, model: str) -> dict[str, float | int | None]:
    """The same where everybody has a voice who is clear in another stream, so that voices compete."""
    rightly = wrongly = known = strangers = false = 0
    for speaker in (speaker for speaker in speakers if speaker.told[-1][0] >= voices.LEAST_HEARD):
        others = [voice for voice in speakers if (voice.recording, voice.stream) != (speaker.recording, speaker.stream)]
        saved = {
            str(voice.person): voice.told[-1][1]
            for voice in sorted(filter(_makes_a_voice, others), key=lambda voice: voice.told[-1][0])
        }
        ever, finally_ = named(speaker, saved, limits, model)
        if not speaker.shares.keys() & saved:
            strangers += 1
            false += bool(ever)
        elif speaker.person in saved and speaker.is_mostly(MOSTLY):
            known += 1
            rightly += finally_ == speaker.person
            wrongly += bool(ever - {speaker.person})
    return {
        "strangers_among_all": strangers,
        "false_accept_rate_among_all": false / strangers if strangers else None,
        "known_among_all": known,
        "true_accept_rate_among_all": rightly / known if known else None,
        "mistaken_rate_among_all": wrongly / known if known else None,
    }


def between(found: Sequence[Trial]) -> float | None:
    """The distance half way between the nearest stranger and the farthest known speaker who is nearer than that."""
    strangers, known = _distances(found, known=False), _distances(found, known=True)
    nearest = min(strangers, default=None)
    if nearest is None:
        return None
    farthest = max((distance for distance in known if distance < nearest), default=None)
    return None if farthest is None else (nearest + farthest) / 2


def _distances(found: Sequence[Trial], *, known: bool) -> list[float]:
    """Of strangers at every moment, of the known in the end."""
    chosen = (trial for trial in found if trial.known is known)
    return [distance for trial in chosen for distance in (trial.distances[-1:] if known else trial.distances)]


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.voices", __doc__, add_arguments, run))
