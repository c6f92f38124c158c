"""A summary by a model: asked only where one is named, bounded, tried again, and marked with who wrote it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.jobs.runner import run_job
from server.jobs.summary import KIND, SummaryJob
from server.recordings.summary import summary_of
from server.speech.speakers import SpeakerName
from server.store.captions import CaptionBatch
from server.store.database import database_url
from server.store.records import CaptionVersion, Job
from server.store.store import Store
from tests.store.rows import NOW, caption, recording, talk


class Model:
    """An OpenAI-compatible server that answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Any]] = []
        self.status = 200
        self.answer: Any = {"choices": [{"message": {"content": "  # All about *budgets*\u202e\x00 "}}]}

    async def complete(self, request: web.Request) -> web.Response:
        self.asked.append((await request.json(), request.headers.get("Authorization")))
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return web.Response(status=self.status, body=body, content_type="application/json")


@pytest.fixture
async def model() -> AsyncIterator[tuple[Model, str]]:
    found = Model()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", found.complete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield found, f"http://127.0.0.1:{port}/v1/"
    await runner.cleanup()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database_url(None, tmp_path))
    await opened.open()
    yield opened
    await opened.close()


async def begin(store: Store) -> str:
    """A recording, and a job for its summary; their id."""
    stream = await talk(store)
    await store.save_recording(recording(stream, title="Meeting", state="ready"))
    said = [caption(1, "The budget grows. Can you check it?"), caption(2, "I'll check the budget.", ["S2"])]
    names = [SpeakerName("S1", "Anna", "person"), SpeakerName("S2")]
    await store.captions.save(CaptionBatch({stream.id: said}, {stream.id: names}))
    await store.jobs.add(Job("job", KIND, stream.id, "local", NOW))
    return stream.id


async def test_what_was_said_is_sent_and_the_answer_is_kept_with_who_wrote_it(
    store: Store, model: tuple[Model, str]
) -> None:
    server, url = model
    id_ = await begin(store)
    work = SummaryJob(store, url, "llama", "sesame", 60_000)
    assert await run_job(store, {KIND: work.kind()}, "job") is None
    assert (await store.jobs.get("job")).state == "done"
    ((body, key),) = server.asked
    assert (body["model"], key) == ("llama", "Bearer sesame")
    assert body["messages"][1]["content"].startswith(
        "Title: Meeting\n\nAnna: The budget grows. Can you check it?\nSpeaker 2:"
    )
    found = await summary_of(store, await store.recording(id_))
    assert found.written is not None
    assert (found.written.model, found.written.markdown, found.outdated) == ("llama", "# All about *budgets*", False)
    assert ([item.text for item in found.questions], found.terms) == (
        ["Can you check it?"],
        [("budget", 2), ("check", 2)],
    )
    assert [item.rule for item in found.actions] == ["request", "promise"]
    assert [(item.name, item.words) for item in found.speakers] == [("Anna", 7), ("Speaker 2", 4)]
    await store.captions.edit(id_, CaptionVersion.LIVE, 1, lambda item: item.edited(text="Another"))
    assert (await summary_of(store, await store.recording(id_))).outdated


ANSWERS: list[tuple[int, Any, str]] = [
    (500, {}, "queued"),
    (429, {}, "queued"),
    (401, {}, "failed"),
    (302, {}, "failed"),
    (200, b"no JSON", "failed"),
    (200, {"choices": []}, "failed"),
    (200, {"choices": [{"message": {"content": " "}}]}, "failed"),
    (200, b"x" * (2 * 1024 * 1024), "failed"),
]


async def test_other_answers_leave_no_summary(store: Store, model: tuple[Model, str]) -> None:
    server, url = model
    id_ = await begin(store)
    for number, (status, answer, state) in enumerate(ANSWERS):
        server.status, server.answer = status, answer
        await store.jobs.add(Job(f"job{number}", KIND, id_, "local", NOW))
        await run_job(store, {KIND: SummaryJob(store, url, "", "", 60_000).kind()}, f"job{number}")
        job = await store.jobs.get(f"job{number}")
        assert (job.state, bool(job.error)) == (state, True), answer
    assert await store.summaries.get(id_) is None
    assert {key for _, key in server.asked} == {None}


async def test_nobody_is_asked_where_no_model_is_named_or_none_is_there(store: Store, model: tuple[Model, str]) -> None:
    server, _ = model
    await begin(store)
    await run_job(store, {KIND: SummaryJob(store, None, "", "", 60_000).kind()}, "job")
    assert (await store.jobs.get("job")).state == "failed"
    assert server.asked == []
    await store.jobs.add(Job("again", KIND, (await store.jobs.get("job")).subject, "local", NOW))
    await run_job(store, {KIND: SummaryJob(store, "http://127.0.0.1:1/v1", "", "", 60_000).kind()}, "again")
    assert (await store.jobs.get("again")).state == "queued"
