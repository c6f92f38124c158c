"""Finding recordings by words, and in them the captions in which those stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    String,
    Subquery,
    bindparam,
    case,
    cast,
    column,
    func,
    select,
    table,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from server.speech.searching import MOST, Hit, Mark, Phrase, find
from server.speech.speakers import SpeakerName
from server.speech.tokens import composed
from server.store.library_schema import SearchEntryRow
from server.store.schema import CaptionRow, SpeakerRow
from server.store.search_index import HEAD, SIZE, captions_of

SHOWN = 3
"""Captions that are shown of a recording."""
LOOKED_AT = 3
"""Passages of a recording in which they are looked for."""
IN_TITLE = 1_000_000
"""A word in title, description or names counts more than any number of passages with it."""

_WORDS = table("search_words", column("rowid", BigInteger), column("search_words", String))
"""A virtual table of SQLite, a view in PostgreSQL."""


class matches(FunctionElement[Any]):
    """Whether the words of a passage hold a phrase, see `asked`."""

    type = NullType()  # a Boolean would be compared with 1, and MATCH is no such thing
    inherit_cache = True


@compiles(matches, "sqlite")
def _in_sqlite(element: matches, compiler: SQLCompiler, **options: Any) -> str:
    words, phrase = element.clauses
    return f"{compiler.process(words, **options)} MATCH {compiler.process(phrase, **options)}"


@compiles(matches, "postgresql")
def _in_postgresql(element: matches, compiler: SQLCompiler, **options: Any) -> str:
    words, phrase = element.clauses
    return f"{compiler.process(words, **options)} @@ CAST({compiler.process(phrase, **options)} AS tsquery)"


def asked(connection: Connection, phrase: Phrase) -> str:
    """A phrase as the database reads it. Tokens are letters, digits and symbols: nothing that means anything else."""
    if connection.dialect.name == "sqlite":
        return f'"{" ".join(phrase.tokens)}"{" *" if phrase.prefix else ""}'
    quoted = [f"'{token}'" for token in phrase.tokens]
    return " <-> ".join(quoted) + (":*" if phrase.prefix else "")


PARAMETERS = tuple(f"phrase_{number}" for number in range(MOST))
"""Names of what is looked for in statements."""


def parameters(connection: Connection, phrases: Sequence[Phrase]) -> dict[str, str]:
    """Their values."""
    return {name: asked(connection, phrase) for name, phrase in zip(PARAMETERS, phrases, strict=False)}


def found(names: Collection[str]) -> Subquery:
    """The streams in which everything is found, by `entry`; `rank` grows with how well."""
    each = [_with(name) for name in sorted(names)]
    every = union_all(*each).subquery("each")
    in_title = func.sum(case((every.c.first == HEAD, 1), else_=0))
    return (
        select(every.c.entry, (in_title * IN_TITLE + func.min(every.c.places)).label("rank"))
        .group_by(every.c.entry)
        .having(func.count() == len(each))
        .subquery("found")
    )


def _with(name: str) -> Any:
    """Streams with one phrase, and in how many passages."""
    return (
        select(
            (_WORDS.c.rowid // SIZE).label("entry"),
            func.count().label("places"),
            func.min(_WORDS.c.rowid % SIZE).label("first"),
        )
        .where(matches(_WORDS.c.search_words, bindparam(name, type_=String())))
        .group_by("entry")
    )


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A caption in which something was found. Times are samples at 48 kHz."""

    number: int
    start: int
    end: int
    label: str | None
    text: str
    """As it is shown, each character as one."""
    marks: tuple[Mark, ...]
    """What was found in it, in characters."""


@dataclass(frozen=True, slots=True)
class Excerpts:
    """The captions to show of one stream, in order, and who speaks in them."""

    captions: tuple[Excerpt, ...] = ()
    speakers: tuple[SpeakerName, ...] = ()


_PASSAGES = (
    select(SearchEntryRow.stream_id, SearchEntryRow.version, _WORDS.c.rowid)
    .select_from(
        SearchEntryRow.__table__.join(
            _WORDS,
            _WORDS.c.rowid.between(
                cast(SearchEntryRow.number, BigInteger) * SIZE + 1,
                cast(SearchEntryRow.number, BigInteger) * SIZE + (SIZE - 1),
            ),
        )
    )
    .where(SearchEntryRow.stream_id.in_(bindparam("ids", expanding=True)))
    .where(matches(_WORDS.c.search_words, bindparam("phrase", type_=String())))
)
_CAPTIONS = (
    select(
        CaptionRow.number,
        CaptionRow.start,
        CaptionRow.end,
        CaptionRow.speakers[0].as_string().label("label"),
        CaptionRow.text,
    )
    .where(
        CaptionRow.stream_id == bindparam("stream", type_=String()),
        CaptionRow.version == bindparam("account", type_=String()),
        CaptionRow.number >= bindparam("first", type_=Integer()),
        CaptionRow.number <= bindparam("last", type_=Integer()),
        CaptionRow.hidden.is_(False),
    )
    .order_by(CaptionRow.number)
)
_SPEAKERS = (
    select(
        SpeakerRow.stream_id,
        SpeakerRow.label,
        SpeakerRow.name,
        SpeakerRow.source,
        SpeakerRow.merged_into,
    )
    .join(
        SearchEntryRow,
        (SearchEntryRow.stream_id == SpeakerRow.stream_id) & (SearchEntryRow.version == SpeakerRow.version),
    )
    .where(SpeakerRow.stream_id.in_(bindparam("ids", expanding=True)))
    .order_by(SpeakerRow.stream_id, SpeakerRow.number)
)


def excerpts(connection: Connection, phrases: Sequence[Phrase], stream_ids: Sequence[str]) -> Mapping[str, Excerpts]:
    """For each of the streams the captions that say best what was looked for."""
    if not phrases or not stream_ids:
        return {}
    places: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    accounts: dict[str, str] = {}
    for phrase in phrases:
        values = {"ids": list(stream_ids), "phrase": asked(connection, phrase)}
        for stream_id, account, rowid in connection.execute(_PASSAGES, values):
            places[stream_id][rowid % SIZE] += 1
            accounts[stream_id] = account
    shown = {
        stream_id: _best(connection, stream_id, accounts[stream_id], phrases, met) for stream_id, met in places.items()
    }
    speakers = defaultdict(list)
    for stream_id, label, name, source, merged_into in connection.execute(_SPEAKERS, {"ids": list(shown)}):
        speakers[stream_id].append(SpeakerName(label, name, source, merged_into))
    return {stream_id: Excerpts(captions, tuple(speakers[stream_id])) for stream_id, captions in shown.items()}


def _best(
    connection: Connection, stream_id: str, account: str, phrases: Sequence[Phrase], met: Mapping[int, int]
) -> tuple[Excerpt, ...]:
    best: list[tuple[int, Excerpt]] = []
    known: set[int] = set()
    for passage in sorted(met, key=lambda passage: (-met[passage], passage))[:LOOKED_AT]:
        first, last = captions_of(passage)
        values = {"stream": stream_id, "account": account, "first": first, "last": last}
        rows = connection.execute(_CAPTIONS, values).all()
        texts = [composed(row.text) for row in rows]
        hits = find(phrases, texts, SHOWN)
        hits = [hit for hit in hits if rows[hit.place].number not in known]  # two passages may hold the same caption
        known.update(rows[hit.place].number for hit in hits)
        best += [(len(hit.phrases), _excerpt(rows[hit.place], texts[hit.place], hit)) for hit in hits]
        if sum(number >= min(met[passage], len(phrases)) for number, _ in best) >= SHOWN:
            break
    best.sort(key=lambda item: (-item[0], item[1].start))
    return tuple(sorted((excerpt for _, excerpt in best[:SHOWN]), key=lambda excerpt: excerpt.start))


def _excerpt(row: Any, text: str, hit: Hit) -> Excerpt:
    return Excerpt(row.number, row.start, row.end, row.label, text, hit.marks)
