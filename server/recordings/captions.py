"""Captions of a stream, read and corrected in one way while it is live and after it has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from server.errors import Conflict, NotFound
from server.recordings.caption_forms import kept_prints, names_shown
from server.recordings.caption_journal import CaptionJournal
from server.rooms.messages import (
    CaptionAnswer,
    CaptionCommand,
    CaptionEdit,
    CaptionInfo,
    CaptionOutput,
    CaptionsInfo,
    CaptionsSnapshot,
    CaptionTold,
    SpeakerInfo,
    SpeakerMerge,
    SpeakerRename,
    SpeakersTold,
    SpeakerUnmerge,
    SpeakerVoice,
    StreamInfo,
    VoicesHeard,
    caption_info,
    known_caption,
    known_speakers,
    speaker_infos,
)
from server.speech import webvtt
from server.speech.captions import SNAPSHOT
from server.speech.editing import clean_text
from server.speech.final import Account
from server.speech.speakers import SpeakerNames
from server.store.caption_edits import Correction
from server.store.records import CaptionVersion, Page, Recording, StoredStream, VoicePrint
from server.store.store import Store


class LiveCaptions(Protocol):
    """What the media host knows of captions, for streams that it still holds."""

    def stream(self, stream_id: str) -> StreamInfo | None: ...

    def caption_snapshot(self, stream_id: str) -> CaptionsSnapshot: ...

    async def change_captions(self, stream_id: str, command: CaptionCommand) -> CaptionAnswer: ...

    def voices_heard(self, stream_id: str) -> VoicesHeard | None: ...


class CaptionDesk:
    """Reads and changes captions. `announce` is told what changed in streams that have ended.

    A stream that the media host holds is changed there, and it tells the rest; of one that has ended the rows are
    changed, by the same rules.
    """

    def __init__(
        self, store: Store, media: LiveCaptions, journal: CaptionJournal, announce: Callable[[CaptionOutput], None]
    ) -> None:
        self._store = store
        self._media = media
        self._journal = journal
        self._announce = announce

    # ---- reading

    async def version(self, stream_id: str, wanted: CaptionVersion | None = None) -> CaptionVersion:
        """The account that is meant: the better one where nobody said which."""
        if self._media.stream(stream_id) is None:
            await self._must_be_kept(stream_id)
        return wanted or await self._store.captions.version(stream_id)

    async def page(
        self,
        stream_id: str,
        version: CaptionVersion,
        *,
        limit: int,
        cursor: str | None = None,
        before: int | None = None,
    ) -> Page[CaptionInfo]:
        """Everything final, in the order in which it was said; or the last ones before number `before`.

        Raises InvalidRequest for a foreign cursor.
        """
        await self._journal.settle()
        page = await self._store.captions.page(stream_id, version, limit=limit, cursor=cursor, before=before)
        return Page([caption_info(item) for item in page.items], page.total, page.next)

    async def lines(
        self, stream_id: str, version: CaptionVersion, *, limit: int, cursor: str | None = None
    ) -> Page[CaptionInfo]:
        """The same without the words and their times. Raises InvalidRequest for a foreign cursor."""
        await self._journal.settle()
        page = await self._store.captions.lines(stream_id, version, limit=limit, cursor=cursor)
        items = [
            CaptionInfo(
                line.number, line.rev, line.start, line.end, list(line.speakers), line.text, [], 0, True,
                line.hidden, line.edited,
            )
            for line in page.items
        ]  # fmt: skip
        return Page(items, page.total, page.next)

    async def trimmed(self, stream_id: str, items: Sequence[CaptionInfo]) -> list[CaptionInfo]:
        """Captions as others than the owner are to see them: hidden where the recording's trim has taken them away."""
        kept = await self._recording(stream_id)
        return [
            item if kept is None or kept.plays(item.start, item.end) else replace(item, hidden=True) for item in items
        ]

    async def _recording(self, stream_id: str) -> Recording | None:
        """The recording of a stream that is over; None while it is live, and where there is none."""
        if self._media.stream(stream_id) is not None:
            return None
        try:
            return await self._store.recording(stream_id)
        except NotFound:
            return None

    async def speakers(self, stream_id: str, version: CaptionVersion) -> list[SpeakerInfo]:
        """In the order in which they first spoke."""
        if version is CaptionVersion.LIVE and self._media.stream(stream_id) is not None:
            return self._media.caption_snapshot(stream_id).speakers
        return speaker_infos(await self._store.captions.speakers(stream_id, version))

    async def webvtt(self, stream_id: str, version: CaptionVersion) -> AsyncIterator[str]:
        """The file, part by part; without what is hidden, and what a trim has taken away."""
        await self._journal.settle()
        kept = await self._recording(stream_id)
        names = names_shown(await self._store.captions.speakers(stream_id, version))
        yield webvtt.HEADER
        after = None
        while cues := await self._store.captions.cues(stream_id, version, after):
            yield "".join(
                webvtt.cue(cue.number, cue.start, cue.end, _named(cue.speakers, names), cue.text)
                for cue in cues
                if kept is None or kept.plays(cue.start, cue.end)
            )
            after = cues[-1]

    async def account(self, stream_id: str, version: CaptionVersion) -> Account:
        """The whole of it, to be written in one of the formats of `speech/transcript.py`."""
        speakers = known_speakers(await self.speakers(stream_id, version))
        await self._journal.settle()
        return Account(tuple(await self._store.captions.all(stream_id, version)), tuple(speakers))

    async def snapshot(self, stream_id: str) -> CaptionsSnapshot:
        """What whoever comes to the topic is shown first. Raises NotFound where there is no such stream."""
        live = self._media.stream(stream_id)
        if live is not None:
            return self._media.caption_snapshot(stream_id)
        stream = await self._must_be_kept(stream_id)
        version = await self._store.captions.version(stream_id)
        await self._journal.settle()
        last = await self._store.captions.last(stream_id, version, SNAPSHOT)
        speakers = speaker_infos(await self._store.captions.speakers(stream_id, version))
        state = CaptionsInfo(language=stream.language)
        shown = await self.trimmed(stream_id, [caption_info(item) for item in last])
        return CaptionsSnapshot(stream_id, state, speakers, shown, stream.length, 0)

    async def _must_be_kept(self, stream_id: str) -> StoredStream:
        """Raises NotFound for a stream that is not known, or whose recording is in the bin."""
        stream = await self._store.stream(stream_id)
        if stream.recorded:
            try:
                binned = (await self._store.recording(stream_id)).deleted_at is not None
            except NotFound:
                binned = True
            if binned:
                raise NotFound("The recording of this stream was deleted.", code="unknown-recording")
        return stream

    # ---- changing

    async def edit(
        self,
        stream_id: str,
        number: int,
        *,
        text: str | None = None,
        speakers: list[str] | None = None,
        hidden: bool | None = None,
        version: CaptionVersion | None = None,
        by: tuple[str, datetime] | None = None,
    ) -> CaptionInfo:
        """Correct or hide a final caption. Raises NotFound, InvalidRequest, Conflict.

        `by`: who does so and when, where that is to be kept.
        """
        text = None if text is None else clean_text(text)
        labels = None if speakers is None else list(dict.fromkeys(speakers))
        return await self._edit(stream_id, CaptionEdit(number, text, labels, hidden), version, by)

    async def history(self, stream_id: str, number: int, version: CaptionVersion | None = None) -> list[Correction]:
        """What people have made of a caption, the last first; texts as they were shown. Raises NotFound."""
        version = await self._account(stream_id, version)
        heard = (await self._store.captions.get(stream_id, version, number)).heard
        return [
            replace(item, before=_shown(item.before, heard), after=_shown(item.after, heard))
            for item in await self._store.caption_edits.of(stream_id, version, number)
        ]

    async def undo(self, stream_id: str, version: CaptionVersion | None = None) -> CaptionInfo:
        """Take back the last correction of an account that was not taken back.

        Raises Conflict (`nothing-to-undo`), NotFound.
        """
        version = await self._account(stream_id, version)
        last = await self._store.caption_edits.last(stream_id, version)
        if last is None:
            raise Conflict("There is no correction to take back.", code="nothing-to-undo")
        before = last.before
        text = before.get("text")
        if "text" in before and text is None:
            text = (await self._store.captions.get(stream_id, version, last.number)).heard
        fixed = None
        if "speakers" in before:
            earlier = await self._store.caption_edits.of(stream_id, version, last.number)
            fixed = any("speakers" in item.after for item in earlier if item.id < last.id and not item.undone)
        edit = CaptionEdit(last.number, text, before.get("speakers"), before.get("hidden"), fixed=fixed)
        caption = await self._edit(stream_id, edit, version)
        await self._store.caption_edits.undone(last.id)
        return caption

    async def _account(self, stream_id: str, version: CaptionVersion | None) -> CaptionVersion:
        """The account whose corrections are meant: that which a correction would change."""
        found = CaptionVersion.LIVE if self._is_live(stream_id, version) else await self.version(stream_id, version)
        await self._journal.settle()
        return found

    async def _edit(
        self,
        stream_id: str,
        edit: CaptionEdit,
        version: CaptionVersion | None,
        by: tuple[str, datetime] | None = None,
    ) -> CaptionInfo:
        known = await self._known(stream_id, edit.number) if self._is_live(stream_id, version) else None
        if self._is_live(stream_id, version):  # it may have ended meanwhile
            answer = await self._media.change_captions(stream_id, replace(edit, known=known))
            if answer.caption is None:
                raise NotFound("There is no such caption, or it is still being said.", code="unknown-caption")
            if by is not None and known is not None:
                before, after = known_caption(known), known_caption(answer.caption)
                await self._store.caption_edits.keep(stream_id, CaptionVersion.LIVE, before, after, *by)
            return answer.caption
        version = await self.version(stream_id, version)
        await self._journal.settle()
        names = SpeakerNames(await self._store.captions.speakers(stream_id, version))
        wanted = None if edit.speakers is None else tuple(names.resolve(label).label for label in edit.speakers)
        before = await self._store.captions.get(stream_id, version, edit.number)
        changed = await self._store.captions.edit(
            stream_id,
            version,
            edit.number,
            lambda caption: caption.edited(edit.text, wanted, edit.hidden, edit.fixed),
            by=by,
        )
        caption = caption_info(changed)
        if caption.rev != before.rev:
            self._announce(CaptionTold(stream_id, "revision", 0, caption))
        return caption

    async def _known(self, stream_id: str, number: int) -> CaptionInfo | None:
        """A caption of a live stream as it was told last: of a long stream the media host forgets the early ones."""
        await self._journal.settle()
        try:
            return caption_info(await self._store.captions.get(stream_id, CaptionVersion.LIVE, number))
        except NotFound:
            return None

    async def rename(
        self, stream_id: str, label: str, name: str | None, version: CaptionVersion | None = None
    ) -> list[SpeakerInfo]:
        """Say who a speaker is; None takes the name away. Raises NotFound, InvalidRequest, SpeakerNameTaken."""
        return await self._change(
            stream_id,
            version,
            SpeakerRename(label, name),
            lambda names: names.forget(label) if name is None else names.rename(label, name),
        )

    async def merge(
        self, stream_id: str, label: str, into: str, version: CaptionVersion | None = None
    ) -> list[SpeakerInfo]:
        """Two labels are one person. Raises NotFound, Conflict."""
        return await self._change(stream_id, version, SpeakerMerge(label, into), lambda names: names.merge(label, into))

    async def unmerge(self, stream_id: str, label: str, version: CaptionVersion | None = None) -> list[SpeakerInfo]:
        """Undo the merge of this very label. Raises NotFound, Conflict."""
        return await self._change(stream_id, version, SpeakerUnmerge(label), lambda names: names.unmerge(label))

    async def link_voice(self, stream_id: str, label: str, voice: str, version: CaptionVersion) -> list[SpeakerInfo]:
        """The speaker was saved as a known voice. Raises NotFound."""
        return await self._change(
            stream_id, version, SpeakerVoice(label, voice), lambda names: names.saved_as(label, voice)
        )

    async def prints(self, stream_id: str, version: CaptionVersion) -> dict[str, VoicePrint]:
        """What the speakers sound like, by label, where that is known."""
        heard = self._media.voices_heard(stream_id) if self._is_live(stream_id, version) else None
        if heard is not None:
            return dict(kept_prints(heard))
        await self._journal.settle()
        return await self._store.captions.prints(stream_id, version)

    async def _change(
        self,
        stream_id: str,
        version: CaptionVersion | None,
        command: CaptionCommand,
        change: Callable[[SpeakerNames], object],
    ) -> list[SpeakerInfo]:
        if self._is_live(stream_id, version):
            return (await self._media.change_captions(stream_id, command)).speakers
        version = await self.version(stream_id, version)
        await self._journal.settle()
        before = await self._store.captions.speakers(stream_id, version)
        changed = await self._store.captions.change_speakers(stream_id, version, change)
        speakers = speaker_infos(changed)
        if changed != before:
            self._announce(SpeakersTold(stream_id, speakers))
        return speakers

    def _is_live(self, stream_id: str, version: CaptionVersion | None) -> bool:
        """Whether the media host still holds what is to be read or changed."""
        return version is not CaptionVersion.FINAL and self._media.stream(stream_id) is not None


def _shown(change: Mapping[str, Any], heard: str) -> dict[str, Any]:
    """With the words as they were heard where no person had written any."""
    return {name: heard if name == "text" and value is None else value for name, value in change.items()}


def _named(labels: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Who speaks, each once: labels that were merged are one person."""
    return list(dict.fromkeys(names[label] for label in labels if label in names))
