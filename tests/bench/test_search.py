"""A search answers at once, however many recordings there are."""

from __future__ import annotations

from pathlib import Path

from server.bench.search import BAR_MS, Library, ask, figures, fill, searches, vocabulary
from server.speech.searching import parse
from server.store.database import database_url
from server.store.library import Wanted
from server.store.store import Store


async def test_a_search_among_many_recordings_is_quick_and_finds_what_there_is(tmp_path: Path) -> None:
    """Fewer than the bench has, so that they are soon written; the least of several is the machine's best moment."""
    words, library = vocabulary(), Library(200, 20)
    store = Store(database_url(None, tmp_path))
    await store.open()
    await fill(store, library, words)
    looked_for = searches(words)
    found = await ask(store, looked_for, 5)
    print(figures(library, found))
    assert {name: min(answers) for name, answers in found.items() if min(answers) >= BAR_MS} == {}
    pages = {name: await store.library.page(Wanted(search=parse(text)), limit=5) for name, text in looked_for.items()}
    await store.close()
    assert pages["commonest"].total == library.recordings
    assert pages["nothing"].total == 0
    assert 0 < pages["phrase"].total <= pages["two common"].total <= library.recordings
    for item in pages["phrase"].items:
        assert item.excerpts.captions
