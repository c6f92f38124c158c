"""People who know each other, as the API and events show them."""

from __future__ import annotations

from collections.abc import Iterable

from server.accounts.friends import Person, Requests
from server.accounts.notifications import News
from server.accounts.presence import OnAir
from server.store.people_records import Group, Profile, User
from server.web import people_schemas as schemas


def person(found: Person) -> schemas.PersonOut:
    """Somebody as another person sees them."""
    profile, seen = found.profile, found.seen
    return schemas.PersonOut(
        **face(profile).model_dump(),
        bio=profile.bio,
        channel=profile.channel,
        relation=profile.relation.value,
        presence=seen.presence.value if seen is not None else None,
        live=live(seen.live if seen is not None else None),
    )


def people(found: Iterable[Person]) -> list[schemas.PersonOut]:
    return [person(item) for item in found]


def requests(found: Requests) -> schemas.RequestsOut:
    return schemas.RequestsOut(received=people(found.received), sent=people(found.sent))


def face(profile: Profile) -> schemas.FaceOut:
    """Who somebody is, to whoever may know of them."""
    return schemas.FaceOut(
        id=profile.id,
        name=profile.name,
        display_name=profile.display_name,
        avatar=avatar_url(profile),
    )


def live(stream: OnAir | None) -> schemas.LiveOut | None:
    if stream is None:
        return None
    return schemas.LiveOut(slug=stream.slug, stream_id=stream.stream_id, title=stream.title)


def group(found: Group) -> schemas.GroupOut:
    return schemas.GroupOut(id=found.id, name=found.name, members=list(found.members), created_at=found.created_at)


def notice(news: News) -> schemas.NoticeOut:
    """Something that somebody is told."""
    found = news.notice
    data = {name: found.data.get(name) for name in ("slug", "stream_id", "title")}
    return schemas.NoticeOut(
        id=found.id,
        kind=found.kind,
        data=schemas.NoticeData(person=face(news.person), **data),
        created_at=found.created_at,
        read_at=found.read_at,
    )


def avatar_url(user: User | Profile) -> str | None:
    """Where somebody's picture is; another address for each picture, so that browsers may keep it."""
    if user.avatar_at is None:
        return None
    return f"/api/v1/people/{user.id}/avatar?v={int(user.avatar_at.timestamp())}"
