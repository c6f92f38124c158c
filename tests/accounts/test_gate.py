from __future__ import annotations

import getpass

import pytest

from server.accounts import Action, Actor, Resource, authorise
from server.accounts.gate import RULES, Role, Rule, host_name, local_actor
from server.errors import NotAllowed, NotAuthenticated, NotFound

NOBODY = Actor("", "", Role.NOBODY)


def test_every_action_has_a_rule() -> None:
    assert set(RULES) == set(Action)


@pytest.mark.parametrize("action", list(Action))
def test_the_local_user_may_do_everything_to_what_is_theirs(action: Action) -> None:
    actor = local_actor()
    authorise(actor, action, Resource("thing", "1", actor.id))


@pytest.mark.parametrize("action", list(Action))
def test_nobody_gets_further_than_the_door(action: Action) -> None:
    if RULES[action] is Rule.EVERYBODY:
        authorise(NOBODY, action, Resource("thing"))
    else:
        with pytest.raises(NotAuthenticated):
            authorise(NOBODY, action, Resource("thing", "1", ""))


def test_what_belongs_to_somebody_else_stays_theirs() -> None:
    with pytest.raises(NotAllowed):
        authorise(local_actor(), Action.END_STREAM, Resource("stream", "1", "anna"))
    with pytest.raises(NotFound):
        authorise(local_actor(), Action.END_STREAM, Resource("stream", "1", None))


@pytest.mark.parametrize(
    ("login", "name"),
    [("anna", "Anna"), ("root", "Studio"), ("svc-7", "Studio"), ("OFFICE\\ben", "Ben"), ("", "Studio")],
)
def test_the_host_is_named_after_a_person_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, login: str, name: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: login)
    assert host_name() == name
