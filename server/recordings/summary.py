"""What a recording is about: figures and findings by rules, and a model's text where one was asked for."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from server.recordings.caption_forms import names_shown
from server.recordings.speakers import SpeakerTalk, talk
from server.speech import summary as rules
from server.speech.summary import Line, Sentence
from server.store.records import CaptionVersion, Recording
from server.store.store import Store
from server.store.summaries import WrittenSummary


@dataclass(frozen=True, slots=True)
class Summary:
    """All of it. Times are samples at 48 kHz."""

    words: int
    speakers: list[SpeakerTalk]
    terms: list[tuple[str, int]]
    questions: list[Sentence]
    actions: list[Sentence]
    written: WrittenSummary | None
    """By a language model; None where none was asked."""
    outdated: bool
    """Whether captions have changed since that was written."""


async def lines_of(store: Store, stream_id: str, version: CaptionVersion) -> list[Line]:
    """Everything that is not hidden, with speakers as they are shown."""
    names = names_shown(await store.captions.speakers(stream_id, version))
    return [
        Line(start, names.get(label or ""), text) for start, label, text in await store.talk.lines(stream_id, version)
    ]


async def stamp_of(store: Store, stream_id: str, version: CaptionVersion) -> str:
    """Changes whenever captions or speakers do."""
    stamp = f"{version}:{await store.captions.stamp(stream_id, version)}"
    return hashlib.sha256(stamp.encode()).hexdigest()


async def summary_of(store: Store, recording: Recording) -> Summary:
    """Of the better account that there is."""
    stream_id = recording.stream_id
    version = await store.captions.version(stream_id)
    lines = await lines_of(store, stream_id, version)
    speakers, said = await store.captions.speakers(stream_id, version), await store.talk.said(stream_id, version)
    written = await store.summaries.get(recording.id)
    outdated = written is not None and written.stamp != await stamp_of(store, stream_id, version)

    def work() -> Summary:
        found = rules.terms(lines, recording.language), rules.questions(lines), rules.actions(lines)
        return Summary(sum(item.words for item in said), talk(speakers, said), *found, written, outdated)

    return await asyncio.to_thread(work)
