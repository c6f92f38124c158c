from __future__ import annotations

import getpass
from dataclasses import replace

import pytest

from server.accounts import NOBODY, Action, Actor, Resource, Role, Scope, Standing, authorise
from server.accounts.actions import RULES, SCOPES, Rule
from server.accounts.gate import host_name, local_actor
from server.errors import NotAllowed, NotAuthenticated, NotFound
from server.store.people_records import Access

ANNA = Actor("anna", "Anna", Role.MEMBER)
BEN = Actor("ben", "Ben", Role.MEMBER)
RUTH = Actor("ruth", "Ruth", Role.ADMINISTRATOR)
FRIEND, CHOSEN, GROUPED, LINKED = (
    Standing(friend=True),
    Standing(selected=True),
    Standing(member=True),
    Standing(linked=True),
)


def test_every_action_has_a_rule_and_a_scope() -> None:
    assert set(RULES) == set(Action) == set(SCOPES)


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
            authorise(NOBODY, action, Resource("thing", "1", "anna", Access.FRIENDS))


@pytest.mark.parametrize(
    ("access", "heard_by"),
    [
        (Access.PRIVATE, []),
        (Access.SELECTED, [CHOSEN]),
        (Access.GROUP, [GROUPED]),
        (Access.FRIENDS, [FRIEND]),
        (Access.LINK, [FRIEND, LINKED]),
        (Access.PUBLIC, [FRIEND, CHOSEN, GROUPED, LINKED, Standing()]),
    ],
)
def test_access_lets_in_whom_it_names(access: Access, heard_by: list[Standing]) -> None:
    for standing in (FRIEND, CHOSEN, GROUPED, LINKED, Standing()):
        resource = Resource("stream", "1", "anna", access, standing)
        authorise(ANNA, Action.LISTEN, resource)
        if standing in heard_by:
            authorise(BEN, Action.LISTEN, resource)
        else:
            with pytest.raises(NotFound):
                authorise(BEN, Action.LISTEN, resource)
        with pytest.raises(NotFound):
            authorise(BEN, Action.LISTEN, replace(resource, standing=replace(standing, barred=True)))


def test_what_may_not_be_seen_is_answered_like_what_is_not_there() -> None:
    hidden = Resource("stream", "1", "anna", Access.PRIVATE)
    with pytest.raises(NotFound) as refused:
        authorise(BEN, Action.END_STREAM, hidden)
    assert (refused.value.message, refused.value.code) == ("There is no such stream.", "unknown-stream")
    with pytest.raises(NotAllowed):
        authorise(BEN, Action.END_STREAM, Resource("stream", "1", "anna", Access.PUBLIC))


def test_a_locked_stream_lets_nobody_new_in_but_its_owner() -> None:
    locked = Resource("channel", "1", "anna", Access.PUBLIC, locked=True)
    authorise(ANNA, Action.LISTEN, locked)
    with pytest.raises(NotAllowed) as refused:
        authorise(BEN, Action.LISTEN, locked)
    assert refused.value.code == "locked"


def test_administrators_end_what_they_may_not_hear() -> None:
    private = Resource("stream", "1", "anna", Access.PRIVATE)
    authorise(RUTH, Action.END_STREAM, private)
    authorise(RUTH, Action.ADMINISTER, Resource("server"))
    with pytest.raises(NotFound):
        authorise(RUTH, Action.LISTEN, private)
    with pytest.raises(NotAllowed):
        authorise(BEN, Action.ADMINISTER, Resource("server"))


def test_a_token_does_no_more_than_it_is_for() -> None:
    listener = replace(ANNA, scopes=frozenset({Scope.LISTEN}))
    own = Resource("channel", "1", "anna", Access.FRIENDS)
    authorise(listener, Action.LISTEN, own)
    for action in (Action.PUBLISH, Action.CHANGE_ACCOUNT, Action.READ_STREAM):
        with pytest.raises(NotAllowed) as refused:
            authorise(listener, action, own)
        assert refused.value.code == "scope"


@pytest.mark.parametrize(
    ("login", "name"),
    [("anna", "Anna"), ("root", "Studio"), ("svc-7", "Studio"), ("OFFICE\\ben", "Ben"), ("", "Studio")],
)
def test_the_host_is_named_after_a_person_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, login: str, name: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: login)
    assert host_name() == name
