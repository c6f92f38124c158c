"""What a recording is about: worked out by rules, or written by a model when its owner asks for that."""

from __future__ import annotations

from dataclasses import asdict

from server.accounts import Action
from server.errors import Conflict
from server.jobs.summary import KIND
from server.recordings.summary import summary_of
from server.speech.summary import Sentence
from server.store.records import Recording
from server.web import caption_schemas, caption_views
from server.web import summary_schemas as schemas
from server.web.handlers.recordings import load
from server.web.recording_views import exact
from server.web.routing import Call, RouteTable
from server.web.views import seconds

table = RouteTable("recordings")

SUMMARY = "/api/v1/recordings/{id}/summary"


@table.route(
    "GET",
    SUMMARY,
    Action.READ_RECORDING,
    "Who spoke how much, frequent terms, questions and what may be action items, by rules",
    resource=load,
    answer=schemas.SummaryOut,
)
async def read_summary(call: Call) -> schemas.SummaryOut:
    recording: Recording = call.subject
    found = await summary_of(call.services.store, recording)

    def seen(item: Sentence) -> bool:
        return recording.owner == call.actor.id or recording.plays(item.start, item.start + 1)

    text = None
    if found.written is not None:
        text = schemas.SummaryTextOut(
            model=found.written.model,
            markdown=found.written.markdown,
            made_at=found.written.made_at,
            outdated=found.outdated,
        )
    return schemas.SummaryOut(
        duration_s=seconds(recording.length),
        words=found.words,
        speakers=[schemas.SpeakerTalkOut(**asdict(item)) for item in found.speakers],
        terms=[schemas.TermOut(text=text, count=count) for text, count in found.terms],
        questions=[schemas.QuestionOut(**_shown(item)) for item in found.questions if seen(item)],
        actions=[schemas.ActionOut(**_shown(item), rule=item.rule) for item in found.actions if seen(item)],
        text=text,
        writable=call.services.settings.summary_url is not None,
    )


def _shown(item: Sentence) -> dict[str, object]:
    return {"start_s": exact(item.start), "speaker": item.speaker, "text": item.text}


@table.route(
    "POST",
    SUMMARY,
    Action.CHANGE_RECORDING,
    "Have a model write a summary, where the server's settings name one",
    resource=load,
    answer=caption_schemas.JobOut,
    status=202,
    errors=(409, 503),
)
async def write_summary(call: Call) -> caption_schemas.JobOut:
    recording: Recording = call.subject
    if call.services.settings.summary_url is None:
        raise Conflict(
            "This server has no model that writes summaries: its operator can name one (CLEARCAST_SUMMARY_URL).",
            code="summary-off",
        )
    job = await call.services.jobs.add(KIND, recording.stream_id, recording.owner)
    return caption_views.job(job, call.services.jobs.line.places.get(job.id))
