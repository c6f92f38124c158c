"""Recordings are found by what is said in them, by title, description and names, and by nothing that is gone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from server.errors import InvalidRequest
from server.recordings.indexing import index_missing
from server.speech.searching import parse
from server.speech.speakers import SpeakerName
from server.speech.tokens import VERSION
from server.store.captions import CaptionBatch
from server.store.library import SORTS, FoundRecording, Wanted
from server.store.people_records import Access, AccessRule, Sight
from server.store.records import CaptionVersion, Page, Recording, StoredStream
from server.store.store import Store
from tests.store.rows import NOW, caption, channel, recording, stream

SCRIPTS = {
    "german": (
        "Wir sprachen über Größenwahn",
        ["grössen", "GROSSENWAHN ", "uber grossenwahn", '"über größenwahn"'],
        "größen",
    ),
    "french": ("Il a pris l'avion à l'été", ["avion ", "l'avion", "ETE", "pris avion"], "vion"),
    "russian": ("Мы обсудили бюджет и ёлку", ["бюджет", "елк", "обсудили ёлку"], "юджет"),
    "greek": ("Καλημέρα σε όλους", ["ΚΑΛΗΜΕΡΑ ", "καλημερα ολουσ"], "λημέρα"),
    "arabic": ("تحدثنا عن المِيزانِيّة", ["الميزانية", "تحدثنا "], "ميزانيات"),
    "hebrew": ("שָׁלוֹם לכולם", ["שלום", "לכולם "], "לום"),
    "hindi": ("हमने बजट पर बात की", ["बजट", "बात की "], "जट"),
    "chinese": ("我们讨论了明年的预算", ["预算", "明年的预算", "讨论", "算", "预算 讨论"], "年明"),
    "japanese": ("来年の予算について話しました", ["予算", "来年の予算", "話"], "予年"),
    "korean": ("내년 예산을 논의했습니다", ["예산", "예산을 논의", "논의"], "산예"),
    "thai": ("เราคุยเรื่องงบประมาณ", ["งบประมาณ", "คุยเรื่อง"], "ประงบ"),
    "mixed": ("第3回のGPT模型", ["第3回", "gpt", "gpt模型", "模型"], "模gpt"),
    "signs": ("🎙 live v2.0 at 50 %", ["🎙", "v2.0", "50"], "🎧"),
}
STRANGE = [
    *('"', '""', '"""', "'", "* ^ - + ( ) : { } [ ] ~ \\ / & | !", "AND", "OR OR", "NOT x", "NEAR(a b, 2)", "said: x"),
    *("a*b*", "x' OR '1'='1", "'; DROP TABLE recordings; --", "\x00", "a\x00b", "🎙🎙🎙", "\ud800", "%_%", "<script>"),
    *("a" * 200, "語" * 200, "\u202eabc", "word " * 12, "-", "a & b:* | c", "'a':*", "\\'", "x AND", "ﷺ", "\u0e33"),
    "e\u0301" * 60,
]


async def add(store: Store, title: str, said: Sequence[str] = (), minutes: int = 0, **values: object) -> StoredStream:
    """A recording in which that was said, by Anna."""
    home = channel(f"c{minutes}-{len(title)}-{abs(hash(title)) % 10_000}")
    await store.add_channel(home)
    talk = stream(home, minutes)
    await store.save_stream(talk)
    await store.save_recording(recording(talk, **{"title": title, "state": "ready", **values}))
    await store.captions.save(CaptionBatch({talk.id: [caption(n, words) for n, words in enumerate(said, 1)]}))
    return talk


async def look(store: Store, search: str, **wanted: object) -> Page[FoundRecording]:
    return await store.library.page(Wanted(search=parse(search), **wanted))  # type: ignore[arg-type]


async def titles(store: Store, search: str, **wanted: object) -> list[str]:
    return [item.recording.title for item in (await look(store, search, **wanted)).items]


async def test_words_are_found_in_every_script(store: Store) -> None:
    for number, (script, (said, _, _)) in enumerate(SCRIPTS.items()):
        await add(store, script, ["…", said, "—"], number)
    for script, (_, found, other) in SCRIPTS.items():
        for words in found:
            (item,) = [item for item in (await look(store, words)).items if item.recording.title == script]
            (excerpt,) = item.excerpts.captions
            assert (excerpt.number, bool(excerpt.marks)) == (2, True), words
        for words in (f"{other} ", f'"{other}"'):
            assert script not in await titles(store, words), words


async def test_all_words_must_be_there_and_phrases_as_they_stand(store: Store) -> None:
    await add(store, "Garden", ["We planted apples", "and then some trees in autumn"])
    await add(store, "Orchard", ["The apple trees stood", "in a row"], 1)
    assert await titles(store, "apples trees ") == ["Garden"]  # in captions of their own
    assert await titles(store, '"apple trees"') == ["Orchard"]
    assert await titles(store, '"trees stood in a row"') == ["Orchard"]  # from one caption to the next
    assert await titles(store, "appl") == ["Orchard", "Garden"]
    assert await titles(store, "appl ") == []
    assert await titles(store, "garden apples ") == ["Garden"]  # one in the title, the other in what is said
    assert await titles(store, "apples missing ") == []


async def test_a_phrase_goes_on_in_the_next_caption_wherever_that_is(store: Store) -> None:
    """Captions are indexed in passages; nothing is to be noticed of where one ends."""
    numbers = range(1, 100)
    talk = await add(store, "Talk", [f"begin{number} then end{number}" for number in numbers])
    for number in numbers[:-1]:
        (item,) = (await look(store, f'"end{number} begin{number + 1} then"')).items
        assert [excerpt.number for excerpt in item.excerpts.captions] == [number]
    for number in (32, 64):  # the first of a passage
        (item,) = (await look(store, f"begin{number} ")).items
        assert [excerpt.number for excerpt in item.excerpts.captions] == [number]
        await store.captions.save(CaptionBatch({talk.id: [replace(caption(number, "Otherwise now"), rev=5)]}))
        assert await titles(store, f'"end{number - 1} otherwise now"') == ["Talk"]
        assert await titles(store, f'"end{number - 1} begin{number}"') == []


async def test_what_fits_best_comes_first_with_the_captions_that_say_it(store: Store) -> None:
    many = [f"budget and more {word}" for word in ("one", "two", "three", "four", "five")] * 20
    await add(store, "Said once", ["The budget, once."], 3)
    await add(store, "Said often", many, 1)
    await add(store, "The budget", ["Nothing"], 0)
    assert await titles(store, "budget ") == ["The budget", "Said often", "Said once"]
    assert await titles(store, "budget ", sort="newest") == ["Said once", "Said often", "The budget"]
    titled, often, once = (await look(store, "budget ")).items
    assert titled.excerpts.captions == ()
    assert [item.number for item in often.excerpts.captions] == [1, 2, 3]
    (excerpt,) = once.excerpts.captions
    assert (excerpt.start, excerpt.text, excerpt.marks, excerpt.label) == (
        480_000,
        "The budget, once.",
        ((4, 10),),
        "S1",
    )
    both = (await look(store, "five more ")).items[0].excerpts.captions
    assert [item.number for item in both] == [5, 10, 15]


async def test_names_of_speakers_and_descriptions_are_found(store: Store) -> None:
    talk = await add(store, "Talk", ["Hello"], description="About beekeeping")
    await store.captions.save(CaptionBatch(speakers={talk.id: [SpeakerName("S1", "Zoë Müller", "person")]}))
    assert await titles(store, "zoe") == await titles(store, "beekeep") == ["Talk"]
    await store.captions.change_speakers(talk.id, CaptionVersion.LIVE, lambda names: names.rename("S1", "Ruth"))
    assert (await titles(store, "zoe"), await titles(store, "ruth")) == ([], ["Talk"])
    assert [item.recording.title for item in (await store.library.page(Wanted(speaker="Ruth"))).items] == ["Talk"]
    assert (await store.library.page(Wanted(speaker="Zoë Müller"))).total == 0
    await store.change_recording(talk.id, title="Honey", description="")
    assert (await titles(store, "beekeep"), await titles(store, "honey")) == ([], ["Honey"])
    assert await titles(store, "talk") == []


async def test_what_is_hidden_corrected_or_deleted_is_not_found(store: Store) -> None:
    talk = await add(store, "Talk", ["A secret word", "Another thing"])
    assert await titles(store, "secret ") == ["Talk"]
    await store.captions.edit(talk.id, CaptionVersion.LIVE, 1, lambda item: item.edited(hidden=True))
    assert await titles(store, "secret ") == []
    await store.captions.edit(talk.id, CaptionVersion.LIVE, 1, lambda item: item.edited(hidden=False))
    assert await titles(store, "secret ") == ["Talk"]
    await store.captions.edit(talk.id, CaptionVersion.LIVE, 1, lambda item: item.edited(text="A public word"))
    assert (await titles(store, "secret "), await titles(store, "public ")) == ([], ["Talk"])
    await store.change_recording(talk.id, deleted_at=NOW)
    assert await titles(store, "public ") == []
    assert await titles(store, "public ", binned=True) == ["Talk"]
    await store.forget_recording(talk.id)
    assert await titles(store, "public ", binned=True) == []
    await store.captions.forget(talk.id)


async def test_the_final_account_is_searched_in_place_of_the_live_one(store: Store) -> None:
    talk = await add(store, "Talk", ["Misheard entirely", "More"])
    await store.captions.replace(talk.id, CaptionVersion.FINAL, [caption(1, "Understood well")], [SpeakerName("S1")])
    assert (await titles(store, "misheard "), await titles(store, "understood ")) == ([], ["Talk"])
    late = [caption(3, "A late live caption")]
    await store.captions.save(CaptionBatch({talk.id: late}))
    await store.captions.edit(talk.id, CaptionVersion.LIVE, 1, lambda item: item.edited(text="Misheard again"))
    assert await titles(store, "live caption ") == await titles(store, "misheard") == []
    await store.captions.edit(talk.id, CaptionVersion.FINAL, 1, lambda item: item.edited(text="Understood better"))
    (item,) = (await look(store, "better ")).items
    assert [excerpt.text for excerpt in item.excerpts.captions] == ["Understood better"]


async def test_a_live_stream_is_found_as_it_goes_and_what_follows_a_gap_in_numbers_too(store: Store) -> None:
    talk = await add(store, "Talk")
    for number in (2, 3, 31, 32, 33, 70_000, 2**31 - 1):
        await store.captions.save(
            CaptionBatch({talk.id: [caption(1, f"first{number}"), caption(number, f"word{number}")]})
        )
        (item,) = (await look(store, f"word{number} ")).items
        assert [excerpt.number for excerpt in item.excerpts.captions] == [number]
    revised = replace(caption(2, "something else"), rev=5)
    await store.captions.save(CaptionBatch({talk.id: [revised]}))
    assert (await titles(store, "word2 "), await titles(store, "something ")) == ([], ["Talk"])
    assert await titles(store, "word3 word34 ") == []


async def test_nobody_finds_what_they_may_not_see(store: Store) -> None:
    talk = await add(store, "Talk", ["A private matter"])
    phrases = parse("private matter")
    mine, others = Sight("local"), Sight("somebody")
    assert (await store.library.page(Wanted(search=phrases), sight=mine)).total == 1
    assert (await store.library.page(Wanted(search=phrases), sight=others)).total == 0
    await store.access.put(("recording", talk.id), AccessRule(Access.PUBLIC))
    assert (await store.library.page(Wanted(search=phrases), sight=others)).total == 1


async def test_whatever_is_typed_is_looked_for_or_refused(store: Store) -> None:
    await add(store, "Talk", ["Some words and a x b"])
    for search in STRANGE:
        try:
            page = await look(store, search)
        except InvalidRequest:
            continue
        assert page.total == len(page.items) <= 1, search


def test_too_many_words_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="16"):
        parse(" ".join(f"word{number}" for number in range(17)))
    assert len(parse(" ".join(["again"] * 40 + ["and"]))) == 2


async def test_lists_are_sorted_and_paged_in_every_way(store: Store) -> None:
    for number, title in enumerate(["Éclair", "apple", "Zebra", "ähnlich", "banana"]):
        await add(store, title, [f"cake number {number}"], number, length=number % 3, size_bytes=-number)
    by_title = ["ähnlich", "apple", "banana", "Éclair", "Zebra"]
    newest = ["banana", "ähnlich", "Zebra", "apple", "Éclair"]
    expected = {
        "newest": newest,
        "oldest": newest[::-1],
        "largest": newest[::-1],
        "title": by_title,
        "relevance": newest,
    }
    for sort in SORTS:
        for search in (None, parse("cake ")):
            seen: list[Recording] = []
            cursor = None
            while True:
                page = await store.library.page(Wanted(search=search, sort=sort), limit=2, cursor=cursor)
                seen += [item.recording for item in page.items]
                assert page.total == 5
                if (cursor := page.next) is None:
                    break
            assert len({item.id for item in seen}) == 5
            if sort == "longest":
                assert [item.length for item in seen] == sorted((item.length for item in seen), reverse=True)
            else:
                assert [item.title for item in seen] == expected[sort], (sort, search)
    first = await store.library.page(Wanted(sort="title"), limit=2)
    for sort in ("newest", "longest", "relevance"):
        with pytest.raises(InvalidRequest):
            await store.library.page(Wanted(sort=sort), cursor=first.next)


async def test_lists_are_narrowed_down(store: Store) -> None:
    first = await add(store, "First", ["cake"], 0)
    await add(store, "Second", ["cake"], 10, state="ready")
    await store.save_stream(replace(await store.stream(first.id), origin="upload", language="de"))
    for wanted in (
        Wanted(origin="upload"),
        Wanted(language="de", search=parse("cake")),
        Wanted(until=NOW + timedelta(minutes=10)),
        Wanted(origin="upload", language="de", owner="local", state="ready", since=NOW, sort="title"),
    ):
        assert [item.recording.title for item in (await store.library.page(wanted)).items] == ["First"], wanted
    for wanted in (Wanted(owner="somebody"), Wanted(since=NOW + timedelta(hours=1)), Wanted(collection="none")):
        assert (await store.library.page(wanted)).total == 0


async def test_what_is_older_than_searching_is_indexed_at_the_next_start(store: Store, tmp_path: Path) -> None:
    await add(store, "Old", ["An old story"])
    await add(store, "New", ["A new story"], 1)
    async with store._database.write() as session:
        await session.execute(text("DELETE FROM search_entries WHERE title_key = 'old'"))
        await session.execute(text(f"UPDATE search_entries SET made_by = 0 WHERE made_by = {VERSION}"))
    assert await titles(store, "old ") == []
    assert await index_missing(store) == 2
    assert await titles(store, "story ") == ["New", "Old"]
    assert await index_missing(store) == 0
    await asyncio.to_thread(_check, tmp_path / "clearcast.db")


def _check(path: Path) -> None:
    """Raises where the virtual table is not what the passages say."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO search_words(search_words, rank) VALUES ('integrity-check', 1)")
    connection.close()


async def test_the_index_goes_with_its_recordings(store: Store, tmp_path: Path) -> None:
    talk = await add(store, "Talk", [f"word{number}" for number in range(100)])
    kept = await add(store, "Kept", ["word7"], 1)
    async with store._database.write() as session:  # as it goes when somebody leaves
        await session.execute(text("DELETE FROM streams WHERE id = :id"), {"id": talk.id})
    assert await titles(store, "word7 ") == ["Kept"]
    await store.captions.forget(kept.id)
    assert await titles(store, "word7 ") == []
    await asyncio.to_thread(_check, tmp_path / "clearcast.db")
    async with store._database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM search_passages")) == 0
