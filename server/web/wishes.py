"""What a stream begins with where its publisher does not say: as they prefer it."""

from __future__ import annotations

from server.accounts import Role
from server.errors import NotFound
from server.web import account_views
from server.web.routing import Call
from server.web.schemas import PublishQuery


async def with_preferences(call: Call, query: PublishQuery) -> PublishQuery:
    """The query, with what was left out as whoever publishes prefers it; their vocabulary comes after the stream's."""
    if call.actor.role is Role.LOCAL:
        return query
    try:
        chosen = account_views.preferences(await call.services.store.users.get(call.actor.id))
    except NotFound:  # gone just now
        return query
    preferred = {
        "denoise": chosen.denoise,
        "denoise_strength": chosen.denoise_strength,
        "captions": chosen.captions,
        "record": chosen.recording,
        "language": chosen.language,
    }
    taken = {
        name: value for name, value in preferred.items() if value is not None and name not in query.model_fields_set
    }
    words = ", ".join(filter(None, (query.vocabulary, chosen.vocabulary)))
    return query.model_copy(update=taken | {"vocabulary": words})
