"""docs/api.md, made from the declared routes: `python -m server.web.docs > docs/api.md`."""

from __future__ import annotations

import sys
from typing import Any

from server.web.openapi import document, errors_of, plain
from server.web.routing import Route
from server.web.server import ROUTES

NOTES = {
    "signalling": [
        "",
        "The answer to an offer has the session's address in `Location` (trickle with PATCH and `If-Match`, leave with",
        'DELETE), its `ETag`, a `Link` with `rel="ice-server"` for each server to use, and, where a stream runs,',
        "`Clearcast-Stream` with its id. A listener may come before the publisher and hears it when it begins. There",
        "are no ICE restarts (422): who lost the connection posts a new offer.",
        "",
        "A publisher who does so within `reconnect_s`, or once the old connection has been silent for a second, goes",
        "on with the same stream; until then the answer is 409 `channel-live`. With the `Clearcast-Resume-Token` of an",
        "earlier answer it goes on at once: the old connection is heard until audio comes from the new one, and closed",
        "then (event `publisher_replaced`; its `session` is the `ETag` of that connection). A token of another stream",
        "is refused with 403 `resume-refused`, an offer that a newer one has overtaken with 409 `replaced`; neither",
        "disturbs what is live. When the stream is over, a new one begins, with an id and a token of its own.",
        "",
        "With curl, an offer in `offer.sdp` and a server on this machine:",
        "",
        "    curl -i -H 'Content-Type: application/sdp' --data-binary @offer.sdp \\",
        "         'http://localhost:8080/whip/studio?title=Bees&record=false'",
    ],
    "captions": [
        "",
        "Captions name labels of speakers; who a label is stands in `speakers`, and a name changes past captions too.",
        "409 `speaker-name-taken` has the `label` of the speaker who has the name: it may be the same person, to be",
        "merged. A person's edit is never overwritten by a machine. Changes reach everybody as events.",
        "Of a stream that was not recorded nothing is kept after its end; captions are deleted with their recording.",
        "",
        "Server-sent events are those of the topic `captions:<id>` below, one for one, with the whole event as `data`:",
        "",
        "    curl -N 'http://localhost:8080/api/v1/streams/<id>/captions/events'",
    ],
    "friends": [
        "",
        "Somebody who blocks one is not there: every address answers as it does for an id that nobody has. Of two who",
        "ask each other the second is answered as a friend. `presence` and `live` are told of friends only. Who closes",
        "the last event socket counts as here for 10 s more.",
    ],
    "notifications": [
        "",
        "A message to a closed page (RFC 8030, RFC 8291) is JSON: `{title, body, path}`, where `path` is what a click",
        "opens. It is sent where the operator has set `CLEARCAST_PUSH_CONTACT`, to those whose preference `push` is",
        "on. A browser whose push service answers 404 or 410 is forgotten.",
    ],
}
"""What follows the table of a tag."""


def markdown(routes: list[Route]) -> str:
    """The text of docs/api.md."""
    lines = [
        "# The HTTP API",
        "",
        "<!-- Made by `python -m server.web.docs`; a test fails when it is out of date. -->",
        "",
        "The same as OpenAPI: `/api/v1/openapi.json`; to read and try: `/api/docs`. Errors are",
        "`application/problem+json` (RFC 9457) with a stable `code`. Lists answer `items`, `total` and `next`;",
        "`next` is the `cursor` of the page after it. Times are ISO 8601 in UTC.",
        "",
        "Every answer says how many requests of its class one may send: `X-RateLimit-Limit` a minute,",
        "`X-RateLimit-Remaining` at once, all again in `X-RateLimit-Reset` seconds. 429 `too-many-requests` has",
        "a `Retry-After`. What counts as what is said in docs/operations.md.",
    ]
    shown = [route for route in routes if route.documented]
    for tag in dict.fromkeys(route.tag for route in shown):
        lines += ["", f"## {tag.capitalize()}", "", "| | what | body → answer | problems |", "|---|---|---|---|"]
        for route in shown:
            if route.tag == tag:
                lines.append(_row(route))
        lines += _parameters([route for route in shown if route.tag == tag])
        lines += NOTES.get(tag, [])
    lines += ["", *_event_lines(), "", "## Models"]
    for name, schema in document(routes)["components"]["schemas"].items():
        lines += ["", f"**{name}**" + (f": {schema['description']}" if "description" in schema else ""), ""]
        lines += [_field(field, values) for field, values in schema.get("properties", {}).items()]
    return "\n".join(lines) + "\n"


def _parameters(routes: list[Route]) -> list[str]:
    """What may stand in the query and in headers of some routes; what several of them take is told once."""
    told: dict[str, str] = {}
    for route in routes:
        for name, field in (route.query.model_fields if route.query else {}).items():
            told.setdefault(f"`?{name}`", field.description or "")
        told |= {f"`{name}`, sent": text for name, text in route.takes.items()}
        told |= {f"`{name}`, answered": text for name, text in route.gives.items()}
    return ["", *(f"- {name}: {text}" for name, text in told.items())] if told else []


def _row(route: Route) -> str:
    query = "".join(f" `?{name}`" for name in (route.query.model_fields if route.query else {}))
    body = f"`{route.body.__name__}`" if route.body else f"`{route.accepts}`" if route.accepts else ""
    answer = f"{route.status} `{route.answer.__name__}`" if route.answer else f"{route.status}"
    if route.produces and not route.answer and route.status not in (101, 204):
        answer += f" `{route.produces}`"
    problems = ", ".join(str(code) for code in errors_of(route))
    return f"| `{route.method} {plain(route.path)}`{query} | {route.summary} | {body} → {answer} | {problems} |"


def _field(name: str, schema: dict[str, Any]) -> str:
    description = schema.get("description")
    return f"- `{name}`: {_kind(schema)}" + (f". {description}" if description else "")


def _kind(schema: dict[str, Any]) -> str:
    """A type in words."""
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "$ref" in schema:
        return f"`{schema['$ref'].rsplit('/', 1)[1]}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])} by name"
    if schema.get("type") == "array":
        pair = ", ".join(_kind(part) for part in schema.get("prefixItems", ()))
        return f"[{pair}]" if pair else f"list of {_kind(schema['items'])}"
    return str(schema.get("type", "anything"))


def _event_rights() -> list[str]:
    return [
        "Everybody is sent what they may see, so `seq` may have holes. A topic is refused as if its subject were not",
        "there where one may not see that. Who loses the right to a topic is told `removed` `{reason, session: null}`",
        "on it and nothing more; a listener who is removed, banned or may not hear the stream any more is told",
        "`removed` `{reason, session}` on `stream:<id>` before that session (the `ETag` of its answer) ends. What one",
        "may see from now on comes as `…_updated`, what one may not any more goes in a new `snapshot`, or as",
        "`recording_removed` `{id}`. Whoever is signed out is closed with 1008. Events lack `you_own` and `access`:",
        "whose a stream is tells `owner.id`.",
        "",
    ]


def _event_lines() -> list[str]:
    return [
        "## The event socket",
        "",
        'Client: `{"type":"subscribe","topics":[{"topic":"streams","epoch":null,"seq":null}]}` and',
        '`{"type":"unsubscribe","topics":["streams"]}`. Server: `{type, topic, epoch, seq, time, data}`. The first',
        "for each topic is a `snapshot`, or, where `epoch` and `seq` of the last event seen were given and are still",
        "known, what came after it. A `heartbeat` comes every 10 s; a message that means nothing is answered with",
        '`{"type":"error","data":{code, detail}}`. Who reads too slowly is cut off and may resume. A server that goes',
        'down says `{"type":"server_closing","data":{retry_after}}`, answers new offers with 503 `closing`, and closes',
        "with 1012. Streams that were live are left `reconnecting`: the next run, if it comes within five minutes,",
        "waits `reconnect_s` for their publishers.",
        "",
        *_event_rights(),
        "| topic | snapshot | events |",
        "|---|---|---|",
        "| `streams` | `{items: [StreamOut]}`, live ones | "
        "`stream_started` `stream_state` `stream_updated` `stream_ended` (StreamOut), "
        "`listeners` `{id, listeners, listeners_peak}`, `publisher_replaced` `{stream, session}`, "
        "`degraded` `recovered` `{stream, stage, detail}`, to its owner `recording_told` `{stream, on, detail}` |",
        "| `stream:<id>` | `{stream: StreamOut}` | the same, of that stream, and `levels` `{at, step, in, out}` |",
        "| `recordings` | `{items: [RecordingOut]}`, the newest 20 | "
        "`recording_ready` `recording_updated` `recording_removed` (RecordingOut) |",
        "| `system` | `{denoise: DenoiseOut, captions: CaptionsOut}` | "
        "`degraded` `recovered` `{stage, detail, denoise, captions}` |",
        "| `captions:<stream id>` | `{stream, state: {state, detail}, off_record, language, speakers: [SpeakerOut], "
        "captions: [CaptionOut], position}`, the last 50 | `caption` `{kind, caption: CaptionOut}`, "
        "`speakers` `{speakers: [SpeakerOut]}`, `speaking` `{speakers: [label], at}`, `off_record` `{on, at}`, "
        "`captions_state` `{state, detail}` |",
        "| `chat:<stream id>` | `{open, total, items: [ChatOut]}`, the last 50 | `chat_message` `reaction` (ChatOut), "
        "`chat_deleted` `{id}`, `chat_state` `{open}` |",
        "| `friends` | `{items: [PersonOut], requests: RequestsOut}`, one's own | `presence` `{id, presence, live}`, "
        "`friend_request` `friend_added` `{person: PersonOut}`, `friend_changed` (FaceOut) with `bio`, "
        "`friend_removed` `{id}`, `requests` (RequestsOut) |",
        "| `notifications` | `{items: [NoticeOut], unread}`, one's own newest 50 | `notification` (NoticeOut), "
        "`notifications_read` `{}` |",
        "| `jobs` | `{items: [JobOut]}`, the newest 20 | `job_progress` `job_completed` (JobOut) |",
        "",
        *_event_words(),
    ]


def _event_words() -> list[str]:
    """What words in events mean."""
    return [
        "`stage` is `denoise`, `captions`, `recording`, which has stopped, or `disk`, which has little room left for",
        "it.",
        "",
        "The `kind` of a caption is `interim`, `final` or `revision` (another speaker, or a change by a person). The",
        "first `committed` words of an interim one stay as they are; one without words is withdrawn. Of two versions",
        "of a caption the one with the higher `rev` counts. `speaking` says who speaks before there is text: `?` while",
        "nobody knows who it is, nobody at all in silence. What is hidden comes without text and words. Interim",
        "captions and `speaking` pass, as `levels` do.",
        "",
        "`levels` says five times a second how loud a live stream came in and went out: RMS in dBFS of steps of `step`",
        "samples, the first of which begins at sample `at` of the stream (48 kHz). It passes: it is not numbered (it",
        "carries the `seq` of the event before it), never comes again, and is left out for whoever is behind.",
    ]


if __name__ == "__main__":
    sys.stdout.write(markdown(ROUTES))
