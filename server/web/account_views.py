"""People and their accounts, as the API shows them."""

from __future__ import annotations

from pydantic import ValidationError

from server.accounts import Actor, Role
from server.errors import NotAuthenticated, NotFound
from server.store.people_records import User
from server.web.account_schemas import Me, Preferences
from server.web.people_views import avatar_url
from server.web.services import Services


async def me(services: Services, actor: Actor) -> Me:
    """Who `actor` is. Raises NotAuthenticated where the account has just gone."""
    if actor.role is Role.LOCAL:
        return Me(
            id=actor.id,
            name=actor.name,
            channel=services.default_channel.slug,
            display_name=actor.name,
            administrator=True,
            role=actor.role.value,
        )
    try:
        user, channel = await services.people.me(actor)
    except NotFound:
        raise NotAuthenticated("Sign in first.") from None
    return Me(
        id=user.id,
        name=user.name,
        channel=channel.slug if channel is not None else "",
        display_name=user.display_name,
        email=user.email,
        administrator=user.administrator,
        bio=user.bio,
        avatar=avatar_url(user),
        preferences=preferences(user),
        created_at=user.created_at,
        role=actor.role.value,
    )


def preferences(user: User) -> Preferences:
    """What somebody has chosen; what another version of the server wrote and this one does not know is left out."""
    try:
        return Preferences.model_validate(dict(user.preferences))
    except ValidationError:
        known = {name: value for name, value in user.preferences.items() if _fits(name, value)}
        return Preferences.model_validate(known)


def _fits(name: str, value: object) -> bool:
    try:
        Preferences.model_validate({name: value})
    except ValidationError:
        return False
    return True
