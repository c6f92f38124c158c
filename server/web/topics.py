"""What can be followed on the event socket, and who may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server.accounts import Action, Actor, Resource, Role, authorise, unseen
from server.accounts.access import About, about_stream
from server.errors import InvalidRequest, NotFound
from server.web.services import Services

Find = Callable[[Services, str], Awaitable[About]]
"""What a topic with a subject is about. Raises NotFound."""


@dataclass(frozen=True)
class Topic:
    """A topic; one whose name ends in ":" stands for all that begin so and is about what follows.

    Without `find` each event says what it is about, and goes to those who may see that.
    """

    name: str
    action: Action
    summary: str
    find: Find | None = None
    open: bool = False
    """Whether those who have not signed in may follow it, of what they may see."""


async def stream(services: Services, stream_id: str) -> About:
    """A stream, live or stored. Raises NotFound."""
    live = services.stream(stream_id)
    if live is not None:
        return about_stream(live)
    return about_stream(await services.store.stream(stream_id))


async def kept(services: Services, stream_id: str) -> About:
    """What was said and written is for those who may hear it: the stream while it is live, then its recording."""
    live = services.stream(stream_id)
    if live is not None:
        return about_stream(live)
    stored = await services.store.stream(stream_id)
    return About("recording" if stored.recorded else "stream", stored.id, stored.owner, stored.channel_id)


_TOPICS = (
    Topic("streams", Action.LIST_STREAMS, "Streams that one may see begin, change and end", open=True),
    Topic("stream:", Action.READ_STREAM, "One stream, and how loud it is", find=stream),
    Topic("captions:", Action.READ_CAPTIONS, "What is said in a stream", find=kept),
    Topic("chat:", Action.READ_CHAT, "What is written beside a stream", find=kept),
    Topic("recordings", Action.LIST_RECORDINGS, "Recordings that one may see come, change and go"),
    Topic("jobs", Action.LIST_JOBS, "How far one's own jobs are"),
    Topic("uploads", Action.LIST_UPLOADS, "What one has uploaded, and what becomes of it"),
    Topic("friends", Action.LIST_PEOPLE, "One's friends: who is there, who asks, who comes and goes"),
    Topic("notifications", Action.READ_NOTIFICATIONS, "What one is told"),
    Topic("system", Action.READ_CONFIG, "How the machine's denoiser and captions are"),
)
TOPICS = {topic.name: topic for topic in _TOPICS}
"""By name. A new one needs a row in `tests/accounts/expected_access.toml`."""


async def permit(services: Services, actor: Actor, name: str) -> About | None:
    """What a topic is about, where the actor may follow it; None where each event says so itself.

    Raises InvalidRequest for a topic that there is not, NotFound and NotAuthenticated.
    """
    kind, colon, subject = name.partition(":")
    topic = TOPICS.get(kind + colon)
    if topic is None or (colon and not subject):
        raise InvalidRequest(f"There is no topic “{name[:80]}”.", code="unknown-topic")
    if topic.find is None:
        if not (topic.open and actor.role is Role.NOBODY):
            authorise(actor, topic.action, Resource("topic", name))
        return None
    try:
        about = await topic.find(services, subject)
    except NotFound as error:
        raise unseen(actor, Resource("stream")) from error
    found = await services.access.about(actor, about.kind, about.id, about.owner, about.channel_id)
    authorise(actor, topic.action, as_stream(found))
    return about


def as_stream(resource: Resource) -> Resource:
    """The same called a stream, so that a refusal says no more than that there is none."""
    return Resource("stream", resource.id, resource.owner, resource.access, resource.standing, resource.locked)
