"""How good live captions are and how soon they come: `clearcast bench captions`.

A file goes through a server of its own in real time, as a listener would follow it, and through the same policies on
a simulated clock on which computing takes no time. References are optional; without one its figures are null.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from server.audio.frame import Samples
from server.audio.resample import resample
from server.bench import caption_figures as figures
from server.bench import caption_speakers, live_captions
from server.bench.caption_figures import Told
from server.bench.common import emit, main, note
from server.bench.hindsight import RecordedStream, final_captions
from server.bench.live_captions import Played, Run
from server.bench.references import Said, said
from server.bench.simulated import Answer, Hearing, SimulatedStream, Simulation, as_measured
from server.bench.wording import Alignment, align, normalised
from server.client.demo import NANO, TALK
from server.client.media import read_audio
from server.clock import SAMPLE_RATE
from server.config import Settings, load_settings
from server.errors import ModelMissing
from server.inference import random_whisper
from server.inference.caption_lane import CaptionOptions, Urgency
from server.inference.captioning.choice import Hardware, worker_config
from server.inference.cleaning import cleaned
from server.inference.diarization.diarizer import Diarizer
from server.inference.recogniser import Recogniser
from server.inference.voice import SileroVad
from server.inference.whole_file import WholeFile
from server.jobs.hearing import Heard
from server.speech.heard import HEARD_RATE

RANDOM = "random:"
"""Before the name of a shape: a model with random weights, to see what it costs."""
LATENCIES = [f"{kind}_p{share}_s" for kind in ("interim", "final") for share in (50, 95)]
WORDING = ("wer_streamed", "missing_start", "missing_end", "invented")


@dataclass(frozen=True, slots=True)
class Offline:
    """What faster-whisper makes of the whole file: the better of two ways."""

    alignment: Alignment
    way: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench captions`."""
    parser.add_argument("--audio", type=Path, help="any audio file (default: the bundled talk, with its references)")
    parser.add_argument("--stm", type=Path, help="what is said in it, in segments")
    parser.add_argument("--ctm", type=Path, help="when each word is said")
    parser.add_argument("--rttm", type=Path, help="who speaks when")
    parser.add_argument("--model", help="Whisper model, by name or folder; random:tiny and the like for its cost alone")
    parser.add_argument("--streams", type=int, default=1, help="how many streams play it at the same time")
    for ear in ("words", "speakers"):
        parser.add_argument(
            f"--{ear}", choices=["raw", "clean"], default="raw", help="which audio they are heard in (default: raw)"
        )
    parser.add_argument("--simulated", action="store_true", help="only on the simulated clock")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when everything came through."""
    if str(arguments.model).startswith(RANDOM):
        emit(measure_shape(arguments.model.removeprefix(RANDOM), read_audio(arguments.audio or TALK)), arguments)
        return 0
    if arguments.audio is None:
        arguments.audio = TALK
        for kind in ("stm", "ctm", "rttm"):
            setattr(arguments, kind, getattr(arguments, kind) or TALK.with_suffix(f".{kind}"))
    audio = read_audio(arguments.audio)
    reference = said(arguments.stm, arguments.ctm)
    folder = model_folder(arguments.model)
    offline = transcribe_offline(folder, audio, reference) if reference is not None else None
    result: dict[str, Any] = {
        "audio": arguments.audio.name,
        "model": folder.name,
        "streams": arguments.streams,
        "seconds": len(audio) / SAMPLE_RATE,
        "words": len(reference.words) if reference is not None else None,
        "wer_offline": word_error_rate(offline.alignment, reference) if offline and reference else None,
        "offline": offline.way if offline is not None else None,
    }
    note("on the simulated clock …")
    settings = load_settings()
    diarizer = caption_speakers.load_diarizer(settings) if settings.diarization else None
    ears = (cleaned_whole(settings, audio) if "clean" in (arguments.words, arguments.speakers) else audio, audio)
    for_words, for_speakers = ears[arguments.words == "raw"], ears[arguments.speakers == "raw"]
    stream, simulation = simulate(folder, for_words, settings, diarizer, for_speakers)
    simulated = judged(stream.told, reference, offline, len(audio) / SAMPLE_RATE)
    result |= {f"{name}_algorithmic": simulated[name] for name in LATENCIES}
    note("with hindsight …")
    account = in_hindsight(folder, for_words, settings, diarizer, for_speakers)
    if arguments.simulated:
        played = [Played(stream.told, stream.who_items)]
        result |= {name: value for name, value in simulated.items() if name not in LATENCIES}
        result |= dict.fromkeys(LATENCIES) | costs(stream, simulation)
    else:
        chosen = {"captions_model": folder, "captions_ear": arguments.words, "diarization_ear": arguments.speakers}
        done = asyncio.run(live_captions.play(audio, arguments.streams, chosen))
        played = list(done.streams)
        result |= in_real_time(done, len(audio) / SAMPLE_RATE, reference, offline)
    result |= caption_speakers.error_rates([one.who for one in played], account, for_speakers, diarizer, arguments.rttm)
    result["cpwer_final"] = cpwer_final(played, account, reference)
    emit(result, arguments)
    return 0


def costs(stream: SimulatedStream, simulation: Simulation) -> dict[str, float | None]:
    """What it took on the simulated clock, on which nothing can be busy."""
    return {
        "rtf": simulation.compute / len(stream.samples) * SAMPLE_RATE,
        "busy": None,
        "recogniser_busy": None,
        "longest_step_s": max(stream.steps, default=0) / SAMPLE_RATE,
        "given_up_s": given_up(stream),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_real_time(done: Run, length: float, reference: Said | None, offline: Offline | None) -> dict[str, Any]:
    """Figures of the real thing; of several streams the worst of each."""
    each = [judged(stream.told, reference, offline, length) for stream in done.streams]
    return {name: worst([one[name] for one in each]) for name in each[0]} | {
        "rtf": done.processor_s / length / len(each),
        "busy": done.processor_s / done.wall_s,
        "recogniser_busy": statistics.fmean(done.watched.shares) if done.watched.shares else None,
        "longest_step_s": max(done.watched.steps, default=None),
        "given_up_s": done.watched.gaps_s,
        "peak_rss_mb": done.peak_rss_mb,
    }


def cpwer_final(played: Sequence[Played], account: Heard, reference: Said | None) -> float | None:
    """Of the captions that the final pass makes of a stream; of several the worst."""
    if reference is None:
        return None
    finals = [final_captions(one.told, account) for one in played]
    return worst([caption_speakers.cpwer(reference.segments, captions) for captions in finals])


def worst(values: list[float | None]) -> float | None:
    """The largest; None where one is not known."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def cleaned_whole(settings: Settings, audio: Samples) -> Samples:
    """The audio without its noise, sample for sample in its place."""
    return np.concatenate(list(cleaned(settings, [audio])))


def simulate(
    folder: Path,
    audio: Samples,
    settings: Settings | None = None,
    diarizer: Diarizer | None = None,
    for_speakers: Samples | None = None,
) -> tuple[SimulatedStream, Simulation]:
    """The file on the simulated clock, computing free; `for_speakers` is what the diarizer hears instead."""
    hearing, answers = listener(folder, settings or load_settings(), diarizer)
    stream, simulation = SimulatedStream(audio, hearing, for_speakers=for_speakers), Simulation(answers)
    simulation.run([stream])
    return stream, simulation


def in_hindsight(
    folder: Path, audio: Samples, settings: Settings, diarizer: Diarizer | None, for_speakers: Samples
) -> Heard:
    """The file as the final pass hears it."""
    hearing, answers = listener(folder, settings, diarizer)
    stream = RecordedStream(audio, replace(hearing, options=CaptionOptions(urgency=Urgency.FILE)), for_speakers)
    Simulation(answers).run([stream])
    return stream.account


def listener(folder: Path, settings: Settings, diarizer: Diarizer | None) -> tuple[Hearing, dict[str, Answer]]:
    """How a server with these settings would hear, and the models that it asks."""
    config = worker_config(settings, folder.name, folder, Hardware.here(), None)
    recogniser = Recogniser.load(folder, config.recogniser_options())
    hearing = Hearing(settings=config.transcriber_options(), diarizer=diarizer)
    return hearing, {"vad": SileroVad().answer, "transcribe": recogniser.answer}


def judged(told: list[Told], reference: Said | None, offline: Offline | None, length: float) -> dict[str, Any]:
    """The figures that follow from the events of one stream."""
    result: dict[str, Any] = {"erasure": figures.erasure(told), "revision_rate": figures.revision_rate(told)}
    if reference is None:
        return result | dict.fromkeys([*LATENCIES, *WORDING, "errors_streamed", "cpwer"])
    result["cpwer"] = caption_speakers.cpwer(reference.segments, figures.finals(told))
    written = figures.committed(told)
    alignment = align(reference.words, [entry.text for entry in written])
    result |= figures.latencies(told, alignment, reference.ends).figures()
    result |= {"wer_streamed": word_error_rate(alignment, reference), "errors_streamed": alignment.errors}
    found = offline.alignment if offline is not None else None
    segments = reference.segments
    if segments is None:
        return result | dict.fromkeys(("missing_start", "missing_end", "invented"))
    first, last = (segments[0], segments[-1]) if segments else (None, None)
    from_word = len(reference.words) - len(last.words) if last is not None else 0
    return result | {
        "missing_start": figures.lost_at(first, 0, alignment, found),
        "missing_end": figures.lost_at(last, from_word, alignment, found),
        "invented": figures.invented(written, alignment, segments, length),
    }


def word_error_rate(alignment: Alignment, reference: Said) -> float | None:
    return alignment.errors / len(reference.words) if reference.words else None


def transcribe_offline(folder: Path, audio: Samples, reference: Said) -> Offline:
    """Both ways to hear the whole file; the one with fewer errors."""
    heard = resample(audio, SAMPLE_RATE, HEARD_RATE)
    model = WholeFile(folder)
    ways = {"whole file": model.whole(heard), "per piece of speech": model.by_speech(heard)}
    found = [Offline(align(reference.words, normalised(text)), way) for way, text in ways.items()]
    return min(found, key=lambda one: one.alignment.errors)


def measure_shape(name: str, audio: Samples) -> dict[str, Any]:
    """What a Whisper of that shape costs: the file on a simulated machine with one core, as fast as one of this.

    Raises ModelMissing for a shape that nobody knows.
    """
    if name not in random_whisper.SHAPES:
        raise ModelMissing(f"There is no shape {name!r}; there are {', '.join(random_whisper.SHAPES)}.")
    with tempfile.TemporaryDirectory() as folder:
        recogniser = random_whisper.load(random_whisper.write(Path(folder), random_whisper.SHAPES[name]))
    simulation = Simulation(
        {"vad": SileroVad().answer, "transcribe": recogniser.answer}, as_measured, one_processor=True
    )
    stream = SimulatedStream(audio)
    simulation.run([stream])
    assert stream.done_at is not None
    return {
        "model": f"{RANDOM}{name}",
        "seconds": len(audio) / SAMPLE_RATE,
        "rtf": simulation.compute / len(audio) * SAMPLE_RATE,
        "longest_step_s": max(stream.steps, default=0) / SAMPLE_RATE,
        "late_at_the_end_s": (stream.done_at - len(audio)) / SAMPLE_RATE,
        "given_up_s": given_up(stream),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def given_up(stream: SimulatedStream) -> float:
    """Seconds of audio that were not heard because everything took too long."""
    return sum(gap.end - gap.start for gap in stream.gaps if gap.reason == "too slow") / SAMPLE_RATE


def model_folder(name: str | None) -> Path:
    """Where a Whisper model lies. Raises ModelMissing."""
    if name is None or name == NANO.name:
        return NANO
    settings = load_settings()
    places = [Path(name), *(folder / name for folder in (settings.models_dir, settings.cache_dir) if folder)]
    for place in places:
        if (place / "model.bin").is_file():
            return place.absolute()
    raise ModelMissing(f"There is no Whisper model called {name}.")


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.captions", __doc__, add_arguments, run))
