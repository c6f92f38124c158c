"""Presence by a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace

from server.accounts.presence import GRACE, OnAir, Presence, PresenceBook, Seen

TALK = OnAir("s1", "c1", "anna", "anna", "Bees")


def everything(_stream: OnAir) -> bool:
    return True


def nothing(_stream: OnAir) -> bool:
    return False


def presence(book: PresenceBook, user_id: str) -> Presence:
    return book.seen(user_id, everything).presence


def test_one_is_here_until_a_while_after_the_last_connection() -> None:
    book = PresenceBook()
    assert presence(book, "anna") is Presence.OFFLINE
    assert book.arrived("anna")
    assert not book.arrived("anna")  # a second tab
    book.left("anna", 100.0)
    assert (book.due(), presence(book, "anna")) == (None, Presence.ONLINE)
    book.left("anna", 105.0)
    assert (book.due(), presence(book, "anna")) == (105.0 + GRACE, Presence.ONLINE)
    assert book.gone(105.0 + GRACE - 0.001) == []
    assert book.gone(105.0 + GRACE) == ["anna"]
    assert (book.due(), presence(book, "anna"), len(book)) == (None, Presence.OFFLINE, 0)


def test_whoever_is_back_in_time_was_never_away() -> None:
    book = PresenceBook()
    book.arrived("anna")
    book.left("anna", 0.0)
    assert not book.arrived("anna")
    assert book.gone(1000.0) == []
    book.left("anna", 1000.0)
    book.arrived("ben")
    book.left("ben", 1001.0)
    assert book.gone(1000.0 + GRACE) == ["anna"]
    assert book.due() == 1001.0 + GRACE


def test_live_counts_more_than_listening_and_that_more_than_being_here() -> None:
    book = PresenceBook()
    book.arrived("anna")
    book.arrived("ben")
    assert not book.listens("ben", "c1")  # nothing is on yet
    assert book.began(TALK) == ["anna", "ben"]
    assert book.began(TALK) == []
    assert book.seen("anna", everything) == Seen(Presence.LIVE, TALK)
    assert presence(book, "ben") is Presence.LISTENING
    assert book.seen("anna", nothing) == book.seen("ben", nothing) == Seen(Presence.ONLINE)
    renamed = replace(TALK, title="Wasps")
    assert book.began(renamed) == ["anna"]
    assert book.seen("anna", everything).live == renamed
    assert not book.listens("ben", "c1")
    assert not book.stops_listening("ben", "c1")
    assert book.stops_listening("ben", "c1")
    assert not book.stops_listening("ben", "c1")
    assert presence(book, "ben") is Presence.ONLINE
    book.listens("ben", "c1")
    assert set(book.involved("c1")) == {"anna", "ben"}
    assert book.ended("s1") == ["anna", "ben"]
    assert book.ended("s1") == book.involved("c1") == []
    assert (presence(book, "anna"), presence(book, "ben")) == (Presence.ONLINE, Presence.ONLINE)


def test_who_talks_or_listens_without_a_page_is_seen_by_those_who_may_hear() -> None:
    book = PresenceBook()
    book.began(TALK)
    book.listens("ben", "c1")
    assert (presence(book, "anna"), presence(book, "ben")) == (Presence.LIVE, Presence.LISTENING)
    assert book.seen("anna", nothing) == book.seen("ben", nothing) == Seen(Presence.OFFLINE)


def test_of_two_streams_the_newer_one_is_shown_and_nothing_is_left_of_either() -> None:
    book = PresenceBook()
    second = OnAir("s2", "c2", "anna", "anna-2", "More")
    book.began(TALK)
    book.began(second)
    assert book.seen("anna", everything).live == second
    assert book.seen("anna", lambda stream: stream == TALK).live == TALK
    book.ended("s2")
    assert book.seen("anna", everything).live == TALK
    book.ended("s1")
    assert book.streams_of("anna") == []
    assert not any(vars(book)[name] for name in ("_streams", "_on_channel", "_streams_of"))
