"""What was said, with everything that is wanted beside it, put together for one file."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from server.clock import SAMPLE_RATE
from server.errors import Conflict, InvalidRequest
from server.recordings.captions import CaptionDesk
from server.recordings.exports.child import write_apart
from server.recordings.exports.conversions import Conversions
from server.recordings.exports.desk import ALL, Wanted, span
from server.recordings.exports.transcripts import Form
from server.recordings.speakers import talk, word_count
from server.recordings.tracks import Span
from server.speech import summary as rules
from server.speech.summary import Line, Sentence
from server.speech.transcript import USUAL, ChatLine, Options, Remark, Share, Summary, Transcript, cut
from server.store.chat_records import ChatKind
from server.store.paging import MAX_PAGE
from server.store.records import CaptionVersion, Recording, RecordingState
from server.store.store import Store
from server.store.talk import Said

MAX_CHAT = 20_000
"""Lines of a chat in a file."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What is to be written down: a stream, live or over, and its recording where there is one."""

    stream_id: str
    owner: str
    title: str
    host: str
    started_at: datetime
    length: int
    """Samples so far."""
    language: str | None
    translated: bool
    recording: Recording | None = None

    def part(self, wanted: Wanted) -> Span | None:
        """None for all of it, whatever its length. Raises InvalidRequest where nothing is left."""
        kept = self.recording
        over = kept is not None and kept.state in (RecordingState.READY, RecordingState.RECOVERED)
        trimmed = kept is not None and (kept.trim_start, kept.trim_end) != (None, None) and not wanted.whole
        if wanted.start_s is None and wanted.end_s is None and not trimmed:
            return None
        if kept is not None and over:
            return span(kept, wanted)
        start = round((wanted.start_s or 0.0) * SAMPLE_RATE)
        end = self.length if wanted.end_s is None else min(self.length, round(wanted.end_s * SAMPLE_RATE))
        if start >= end:
            raise InvalidRequest("There is nothing of the recording between these times.", code="invalid-range")
        return start, end


@dataclass(frozen=True, slots=True)
class Extras:
    """What is wanted of a talk, and beside it."""

    version: CaptionVersion | None = None
    part: Wanted = ALL
    options: Options = USUAL
    translation: bool | None = None
    chat: bool = False
    summary: bool = False


class TranscriptDesk:
    """Writes down what was said. Whoever calls has asked the gate."""

    def __init__(self, store: Store, captions: CaptionDesk, conversions: Conversions) -> None:
        self._store = store
        self._captions = captions
        self._conversions = conversions

    async def transcript(self, said: Talk, extras: Extras) -> Transcript:
        """Raises NotFound, InvalidRequest, Conflict where a translation is wanted that there is not."""
        if extras.translation is not None and extras.translation != said.translated:
            there_is = "only its translation" if said.translated else "no translation"
            raise Conflict(f"There is {there_is} of what was said.", code="not-translated")
        version = await self._captions.version(said.stream_id, extras.version)
        part = said.part(extras.part)
        start, end = part or (0, said.length)
        account = await self._captions.account(said.stream_id, version)
        if part is not None:
            account = await asyncio.to_thread(cut, account, start, end)
        about: dict[str, Any] = {
            "title": said.title,
            "host": said.host,
            "date": f"{said.started_at:%Y-%m-%d}",
            "account": version.value,
            "start": round(start / SAMPLE_RATE, 3),
            "duration": round((end - start) / SAMPLE_RATE, 3),
            "language": "en" if said.translated else said.language,
            "translated": said.translated,
        }
        chat = await self._chat(said.stream_id, part) if extras.chat else ()
        made = Transcript(account, about, extras.options, chat)
        if not extras.summary:
            return made
        summary = await asyncio.to_thread(_summary, made, about["language"])
        return replace(made, summary=await self._with_written(summary, said, part))

    async def _with_written(self, summary: Summary, said: Talk, part: Span | None) -> Summary:
        """With what a language model wrote of the whole, where one was asked and all of it is taken along."""
        written = await self._store.summaries.get(said.recording.id) if said.recording and part is None else None
        return summary if written is None else replace(summary, written=written.markdown, model=written.model)

    async def written(self, form: Form, transcript: Transcript) -> bytes:
        """The file. Raises Unavailable where too many are being made."""
        if form.is_text:
            return await asyncio.to_thread(form.write, transcript)
        async with self._conversions.place():
            return await write_apart(form, transcript)

    async def _chat(self, stream_id: str, part: Span | None) -> list[ChatLine]:
        start, end = part or (0, sys.maxsize)
        lines: list[ChatLine] = []
        cursor = None
        while len(lines) < MAX_CHAT:
            page = await self._store.chat.page(stream_id, limit=MAX_PAGE, cursor=cursor)
            lines += [
                ChatLine(message.at - start, message.name, message.text)
                for message in page.items
                if message.kind is ChatKind.TEXT and start <= message.at < end
            ]
            cursor = page.next
            if cursor is None:
                break
        return lines[:MAX_CHAT]


def _summary(transcript: Transcript, language: str | None) -> Summary:
    """What is found in it by rules, in the part that is written down."""
    account = transcript.account
    said = [
        Said(caption.start, caption.end, next(iter(caption.speakers), None), word_count(caption))
        for caption in account.captions
        if not caption.hidden
    ]
    lines = [
        Line(caption.start, ", ".join(transcript.said_by(caption)) or None, caption.shown)
        for caption in transcript.shown
    ]
    shares = [Share(who.name, who.seconds, who.share, who.words) for who in talk(account.speakers, said)]
    return Summary(
        shares if transcript.options.speakers else (),
        rules.terms(lines, language),
        [_remark(found) for found in rules.questions(lines)],
        [_remark(found) for found in rules.actions(lines)],
    )


def _remark(found: Sentence) -> Remark:
    return Remark(found.start, found.speaker or "", found.text, found.rule)
