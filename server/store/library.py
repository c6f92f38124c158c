"""Recordings as lists: sorted, narrowed down, searched in titles and in what is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, and_, bindparam, exists, func, literal_column

from server.speech.searching import Phrase
from server.store import search_index
from server.store.access import seen, sighted
from server.store.database import Database
from server.store.library_schema import CollectionItemRow, SearchEntryRow
from server.store.listing import Listing, Names, Order
from server.store.lists import LISTED, Filters, narrowed, parameter, recording_of, recordings
from server.store.paging import MAX_PAGE, to_values_cursor, values_cursor
from server.store.people_records import Sight
from server.store.records import Page, Recording
from server.store.schema import RecordingRow, SpeakerRow, StreamRow, UtcDateTime
from server.store.search import PARAMETERS, Excerpts, excerpts, found, parameters

NEWEST = "newest"
RELEVANCE = "relevance"
SORTS = (NEWEST, "oldest", "longest", "largest", "title", RELEVANCE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of recordings is narrowed down to; None and False for what is not asked for."""

    owner: str | None = None
    binned: bool = False
    origin: str | None = None
    state: str | None = None
    language: str | None = None
    speaker: str | None = None
    """Somebody who speaks in it, by name."""
    collection: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """When it began: at the first moment or later, and before the second."""
    search: tuple[Phrase, ...] | None = None
    """All of it is found in title, description, names of speakers or what is said; nothing is where this is empty."""
    sort: str = ""
    """One of `SORTS`; where none is named the best first in a search, else the newest."""


@dataclass(frozen=True, slots=True)
class FoundRecording:
    """A recording, and what was looked for in it."""

    recording: Recording
    excerpts: Excerpts = field(default_factory=Excerpts)


class LibraryTable:
    """Lists of recordings. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, wanted: Wanted, *, sight: Sight | None = None, limit: int = MAX_PAGE, cursor: str | None = None
    ) -> Page[FoundRecording]:
        """What `sight` may see, everything where there is none. Raises InvalidRequest for a foreign cursor."""
        phrases = wanted.search
        if phrases == ():
            return Page([], 0)
        sort = wanted.sort or (RELEVANCE if phrases else NEWEST)
        if sort == RELEVANCE and not phrases:
            sort = NEWEST
        given = {
            **sighted(sight, "recording"),
            **{name: getattr(wanted, name) for name in FILTERS},
            "binned": wanted.binned or None,
            "title": True if sort == "title" else None,
        }

        def ask(connection: Connection) -> Page[FoundRecording]:
            values = {**given, **parameters(connection, phrases or ())}
            page = RECORDINGS.page(connection, values, limit=limit, cursor=cursor, order=sort)
            shown = excerpts(connection, phrases or (), [item.stream_id for item in page.items])
            return Page([_found(item, shown) for item in page.items], page.total, page.next)

        return await self._database.ask(ask)

    async def unindexed(self, most: int) -> list[str]:
        """Streams with recordings that cannot be searched yet."""
        return await self._database.ask(lambda connection: search_index.unbuilt(connection, most))

    async def index(self, stream_id: str) -> None:
        """Make a recording searchable."""
        async with self._database.write() as session:
            await search_index.account_changed(session, stream_id)


def _found(recording: Recording, shown: Any) -> FoundRecording:
    return FoundRecording(recording, shown.get(recording.stream_id, Excerpts()))


FILTERS: Filters = {
    "owner": StreamRow.owner == parameter("owner"),
    "origin": StreamRow.origin == parameter("origin"),
    "state": RecordingRow.state == parameter("state"),
    "language": StreamRow.language == parameter("language"),
    "since": RecordingRow.created_at >= bindparam("since", type_=UtcDateTime()),
    "until": RecordingRow.created_at < bindparam("until", type_=UtcDateTime()),
    "collection": exists().where(
        and_(
            CollectionItemRow.recording_id == RecordingRow.id,
            CollectionItemRow.collection_id == parameter("collection"),
        )
    ),
    "speaker": exists().where(  # of the account that is shown
        and_(
            SearchEntryRow.stream_id == RecordingRow.stream_id,
            SpeakerRow.stream_id == RecordingRow.stream_id,
            SpeakerRow.version == SearchEntryRow.version,
            SpeakerRow.name == parameter("speaker"),
            SpeakerRow.merged_into.is_(None),
        )
    ),
}


def _recordings(given: Names) -> Select[Any]:
    in_bin = RecordingRow.deleted_at
    phrases = given & set(PARAMETERS)
    more: Sequence[Any] = ()
    if phrases:
        more = [_RANK]
    elif "title" in given:
        more = [_TITLE]
    query = recordings([*LISTED, *more]).where(in_bin.is_not(None) if "binned" in given else in_bin.is_(None))
    if phrases or "title" in given:
        query = query.outerjoin(SearchEntryRow, SearchEntryRow.stream_id == RecordingRow.stream_id)
    if phrases:
        best = found(phrases)
        query = query.join(best, best.c.entry == SearchEntryRow.number)
        if "title" in given:
            query = query.add_columns(_TITLE)
    query = seen(query, given, "recording", RecordingRow.id, StreamRow.owner, StreamRow.channel_id)
    return narrowed(query, given, FILTERS)


_RANK = literal_column("found.rank", BigInteger()).label("rank")
_TITLE = func.coalesce(SearchEntryRow.title_key, "").label("title_key")
_MADE = RecordingRow.created_at


def _by(*columns: Any, kinds: tuple[type, ...], descending: bool = True) -> Order:
    return Order((*columns, RecordingRow.id), descending, to_values_cursor, values_cursor(*kinds, str))


RECORDINGS = Listing(
    _recordings,
    {
        NEWEST: Order((_MADE, RecordingRow.id), descending=True),
        "oldest": Order((_MADE, RecordingRow.id)),
        "longest": _by(RecordingRow.length, kinds=(int,)),
        "largest": _by(RecordingRow.size_bytes, kinds=(int,)),
        "title": _by(_TITLE, kinds=(str,), descending=False),
        RELEVANCE: _by(_RANK, _MADE, kinds=(int, datetime)),
    },
    recording_of,
)
"""Without those in the bin; those alone where `binned` is given."""
