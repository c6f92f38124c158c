"""The final pass: a stream's recording heard again as a whole, and its captions written down a second time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from server.audio.frame import Samples
from server.audio.ogg import OggError
from server.audio.peaks import decode_file
from server.errors import Conflict, NotFound
from server.inference.caption_lane import CaptionOptions, Ear, Urgency
from server.jobs.hearing import Heard, OpenFile, hear
from server.jobs.known_voices import named_by_voice
from server.jobs.runner import Tells
from server.log import get_logger
from server.recordings.files import RecordingFolders
from server.speech.changes import compare
from server.speech.final import Account, final_account, final_labels, live_turns, with_corrections
from server.speech.processor import SpeakerTurn
from server.speech.voices import VoiceLimits
from server.store.records import CaptionVersion, Recording, RecordingState, Voice, VoicePrint
from server.store.store import Store

KIND = "final-pass"

log = get_logger(__name__)

HEARD_SHARE = 0.95
"""Of the job's progress: the rest is working out who spoke, joining and writing."""
WRITE_ATTEMPTS = 5
"""How often a result is joined anew because a person changes captions in that very moment."""

FINISHING_S = 60.0
LOOK_S = 0.5
"""How long, and how often, it is looked whether the recording is finished."""

MapSpeakers = Callable[[Sequence[SpeakerTurn], Sequence[SpeakerTurn]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class FinalPass:
    """Does the final passes of one process.

    `versions` says for each ear which version of a recording it hears, "raw" or "clean".
    """

    store: Store
    files: RecordingFolders
    open_file: OpenFile
    map_speakers: MapSpeakers
    versions: Mapping[Ear, str]
    voice_limits: Callable[[str], VoiceLimits]
    """By the id of an embedding model."""

    async def listen(self, recording: Recording, progress: Tells) -> Heard:
        """Hear a recording that is closed. Nothing is written.

        Raises NotFound where its audio is not there, Unavailable.
        """
        live = await self._account(recording.stream_id, CaptionVersion.LIVE)
        options = await self._options(recording.stream_id, live)

        async def tell(share: float) -> None:
            done = share >= 1.0
            await progress.tell(HEARD_SHARE * share, "Working out who spoke" if done else "Listening to the recording")

        return await self._hear(recording, options, tell)

    async def write(self, recording: Recording, heard: Heard, progress: Tells) -> dict[str, Any]:
        """Join what was heard with what was said live, and write it; returns what has changed.

        Raises Conflict where people change it all the time, NotFound, Unavailable.
        """
        await progress.tell(HEARD_SHARE, "Writing captions")
        voices = [voice for voice in await self.store.voices.all(recording.owner) if voice.active]
        return await self._write(recording.stream_id, heard, voices)

    async def _account(self, stream_id: str, version: CaptionVersion) -> Account:
        """One whole account of a stream."""
        captions = await self.store.captions.all(stream_id, version)
        return Account(tuple(captions), tuple(await self.store.captions.speakers(stream_id, version)))

    async def _options(self, stream_id: str, live: Account) -> CaptionOptions:
        """As the publisher wanted it while it was live. People whom somebody has named are different people."""
        by_people = [entry for entry in live.speakers if entry.source == "person" and entry.merged_into is None]
        named = {entry.name for entry in by_people if entry.name is not None}
        stream = await self.store.stream(stream_id)
        fewest, most = max(len(named), stream.fewest_speakers or 1), stream.most_speakers
        return CaptionOptions(
            language=stream.language,
            translate=stream.translated,
            vocabulary=stream.vocabulary,
            min_speakers=fewest,
            max_speakers=max(fewest, most) if most is not None else None,
            urgency=Urgency.FILE,
        )

    async def _hear(self, recording: Recording, options: CaptionOptions, tell: Callable[[float], Any]) -> Heard:
        versions = {ear: wanted if recording.has_raw else "clean" for ear, wanted in self.versions.items()}
        sources = {version: self._audio(recording.id, version) for version in set(versions.values())}
        ears = {ear: sources[version] for ear, version in versions.items()}
        try:
            return await hear(self.open_file, options, ears, tell, recording.length)
        except OggError as error:
            raise NotFound(f"The recording's audio cannot be read: {error.message}", code="no-audio") from error

    def _audio(self, recording_id: str, version: str) -> Iterator[Samples]:
        """The audio of a version, a packet at a time; position equals stream time. Blocks."""
        try:
            with self.files.audio(recording_id, version).open("rb") as file:
                yield from decode_file(file)
        except OSError as error:
            raise NotFound(f"The recording's audio cannot be read: {error.strerror}.", code="no-audio") from error

    async def _write(self, stream_id: str, heard: Heard, voices: Sequence[Voice]) -> dict[str, Any]:
        """Join with what people have made of the captions up to now, and write it in one transaction."""
        versions = (CaptionVersion.LIVE, CaptionVersion.FINAL)
        for attempt in range(WRITE_ATTEMPTS):
            stamps = {version: await self.store.captions.stamp(stream_id, version) for version in versions}
            live, earlier = [await self._account(stream_id, version) for version in versions]
            account, turns, prints, result = await asyncio.to_thread(self._join, live, earlier, heard, voices)
            try:
                await self.store.captions.replace(
                    stream_id, CaptionVersion.FINAL, account.captions, account.speakers, prints, based_on=stamps
                )
                await asyncio.to_thread(self._keep_turns, stream_id, turns)
                return result
            except Conflict:
                if attempt + 1 == WRITE_ATTEMPTS:
                    raise
        raise AssertionError

    def _join(
        self, live: Account, earlier: Account, heard: Heard, voices: Sequence[Voice]
    ) -> tuple[Account, list[SpeakerTurn], dict[str, VoicePrint], dict[str, Any]]:
        """Blocks: seconds for a recording of hours. `earlier` is what another attempt has written."""
        live = with_corrections(live, earlier)
        mapping = self.map_speakers(live_turns(live.captions), heard.turns)
        account = final_account(heard.words, heard.turns, live, mapping, heard.gaps)
        labels = final_labels(heard.turns, live.speakers, mapping)
        turns = [replace(turn, speaker=labels[turn.speaker]) for turn in heard.turns]
        prints = _prints(heard, labels)
        new = {entry.label for entry in account.speakers} - {entry.label for entry in live.speakers}
        if prints and new and heard.prints is not None:
            limits = self.voice_limits(heard.prints.model)
            account = replace(account, speakers=tuple(named_by_voice(account.speakers, new, prints, voices, limits)))
        result = {**asdict(compare(live, account)), "gaps": len(heard.gaps)}
        return account, turns, prints, result

    def _keep_turns(self, recording_id: str, turns: Sequence[SpeakerTurn]) -> None:
        """For the speakers' tracks, which do with the captions where it cannot be written."""
        try:
            self.files.write_turns(recording_id, turns)
        except OSError as error:
            log.warning("who spoke when was not kept", recording=recording_id, error=str(error))


async def closed_recording(store: Store, recording_id: str, progress: Tells) -> Recording:
    """The recording, once it is closed: jobs are made when the stream ends.

    Raises NotFound where there is none (any more), or none with audio; Conflict where it does not become closed.
    """
    for _ in range(round(FINISHING_S / LOOK_S)):
        recording = await store.recording(recording_id)
        if recording.state not in (RecordingState.RECORDING, RecordingState.FINISHING):
            break
        await progress.tell(0.0, "Waiting for the recording")
        await asyncio.sleep(LOOK_S)
    else:
        raise Conflict("The recording is not finished yet.", code="still-recording")
    if recording.deleted_at is not None or recording.state == RecordingState.FAILED:
        why = "was deleted" if recording.deleted_at is not None else "holds no audio"
        raise NotFound(f"The recording {why}.", code="unknown-recording")
    return recording


def _prints(heard: Heard, labels: Mapping[str, str]) -> dict[str, VoicePrint]:
    """What the speakers sound like, by their labels in the account."""
    known = heard.prints
    if known is None:
        return {}
    return {
        labels[label]: VoicePrint(known.model, centroid, known.seconds[label])
        for label, centroid in known.centroids.items()
        if label in labels
    }
