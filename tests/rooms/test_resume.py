"""A publisher with the stream's resume token takes it over, and nobody else does."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from server.clock import SAMPLE_RATE
from server.errors import ChannelLive, Conflict, NotFound, ResumeRefused
from server.rooms.messages import DenoiseMode, PeerAnswer, StreamState
from server.rooms.resume import TOKENS, ResumeTokens
from tests.rooms.sound import level, tone
from tests.rooms.studio import Studio, heard


def states(studio: Studio) -> list[StreamState]:
    return [event.stream.state for event in studio.told("stream_state") if event.stream is not None]


async def test_every_answer_of_a_stream_gives_the_same_token(studio: Studio) -> None:
    first = await studio.publish()
    assert first.resume_token is not None
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", first.resume_token)
    await studio.run(0.5)
    studio.peers.publishers[0].state("lost")
    again = await studio.publish()
    other = await studio.publish("other")
    assert again.resume_token == first.resume_token != other.resume_token
    await studio.host.end("stream-1", "ended")
    assert (await studio.publish()).resume_token != first.resume_token


async def test_with_the_token_a_second_connection_takes_over_without_a_gap(studio: Studio) -> None:
    _, listener = await studio.listen()
    token = (await studio.publish(denoise=DenoiseMode.ABSENT)).resume_token
    await studio.run(2)
    old, told = studio.peers.publishers[0], len(studio.told("stream_state"))
    answer = await studio.publish(resume_token=token)
    assert answer.stream_id == "stream-1"
    await studio.run(1, tone, old)  # the new one does not stand yet: the old one is heard
    assert not old.closed
    new = studio.peers.publishers[1]
    await studio.run(1, tone, new)
    assert old.closed
    await studio.run(1, tone, old, new)  # what the old one still sends is not mixed in
    assert len(studio.told("stream_state")) == told  # there was nothing to tell: it never stopped
    assert studio.live().state is StreamState.LIVE
    (replaced,) = studio.told("publisher_replaced")
    assert replaced.peer_id not in ("", answer.peer_id)
    with pytest.raises(NotFound):
        await studio.host.remove(replaced.peer_id, "left")
    _, audio = heard(listener)
    tenths = [level(audio[at : at + 4800]) for at in range(9600, len(audio) - 4800, 4800)]
    assert min(tenths) > 0.8 * level(tone(0))
    assert max(tenths) < 1.1 * level(tone(0))


async def test_a_token_of_another_stream_or_person_is_refused_and_disturbs_nothing(studio: Studio) -> None:
    token = (await studio.publish()).resume_token
    foreign = (await studio.publish("other", principal="bob")).resume_token
    await studio.run(0.5, tone, *studio.peers.publishers)
    for wrong, principal in (
        (foreign, "ann"),
        ("made-up", "ann"),
        ("x" * 10_000, "ann"),
        ("\udcff", "ann"),
        (token, "bob"),
    ):
        with pytest.raises(ResumeRefused):
            await studio.publish(principal=principal, resume_token=wrong)
    assert len(studio.peers.publishers) == 2
    studio.peers.publishers[0].state("lost")
    with pytest.raises(ResumeRefused):  # while it waits for its publisher, too
        await studio.publish(resume_token=foreign)
    with pytest.raises(ChannelLive):
        await studio.publish(principal="bob")
    assert (await studio.publish()).stream_id == "stream-1"


async def test_a_token_of_a_stream_that_is_over_begins_another(studio: Studio) -> None:
    token = (await studio.publish()).resume_token
    await studio.run(0.5)
    await studio.host.end("stream-1", "ended")
    answer = await studio.publish(resume_token=token)
    assert (answer.stream_id, answer.resume_token == token) == ("stream-2", False)
    with pytest.raises(ResumeRefused):
        await studio.publish(resume_token=token)


async def test_of_two_with_one_token_the_later_offer_wins_whichever_is_answered_first(studio: Studio) -> None:
    token = (await studio.publish()).resume_token
    await studio.run(0.5)
    slow = asyncio.Event()
    studio.peers.hold = slow
    early = asyncio.create_task(studio.publish(resume_token=token))
    await asyncio.sleep(0)
    studio.peers.hold = None
    late = await studio.publish(resume_token=token)
    slow.set()
    with pytest.raises(Conflict) as overtaken:
        await early
    assert overtaken.value.code == "replaced"
    await studio.host.settle()
    _, winner, loser = studio.peers.publishers
    assert (winner.closed, loser.closed) == (False, True)

    results = await asyncio.gather(*(studio.publish(resume_token=token) for _ in range(5)))
    await studio.run(0.5)
    assert {type(result) for result in results} == {PeerAnswer}
    assert [publisher.closed for publisher in studio.peers.publishers[3:]] == [True] * 4 + [False]
    assert winner.closed
    assert {event.peer_id for event in studio.told("publisher_replaced")} >= {late.peer_id, results[0].peer_id}
    assert len(studio.host.streams()) == 1
    assert studio.live().state is StreamState.LIVE


async def test_when_the_old_connection_goes_before_the_new_one_is_heard_the_stream_waits_for_it(studio: Studio) -> None:
    for number, goodbye in enumerate(("lost", "silent", "delete")):
        channel = f"channel-{number}"
        first = await studio.publish(channel)
        old = studio.peers.publishers[-1]
        await studio.run(0.5, tone, old)
        await studio.publish(channel, resume_token=first.resume_token)
        new = studio.peers.publishers[-1]
        if goodbye == "delete":
            await studio.host.remove(first.peer_id, "left")
        else:
            old.state(goodbye)
        await studio.host.settle()
        stream = studio.host.live_on(channel)
        assert stream is not None
        assert (stream.state, old.closed) == (StreamState.RECONNECTING, True)
        await studio.run(0.5, tone, new)
        stream = studio.host.live_on(channel)
        assert stream is not None
        assert stream.state is StreamState.LIVE


async def test_a_new_connection_that_never_stands_leaves_the_old_one_alone(studio: Studio) -> None:
    token = (await studio.publish()).resume_token
    await studio.run(0.5)
    old = studio.peers.publishers[0]
    await studio.publish(resume_token=token)
    studio.peers.publishers[1].state("lost")
    await studio.run(0.5, tone, old)
    given_up = await studio.publish(resume_token=token)
    await studio.host.remove(given_up.peer_id, "left")
    await studio.run(0.5, tone, old)
    assert (studio.live().state, old.closed) == (StreamState.LIVE, False)
    assert [publisher.closed for publisher in studio.peers.publishers] == [False, True, True]
    assert states(studio) == [StreamState.CONNECTING]


async def test_before_the_first_audio_the_token_replaces_the_connection_too(studio: Studio) -> None:
    token = (await studio.publish()).resume_token
    with pytest.raises(ChannelLive):
        await studio.publish()
    await studio.publish(resume_token=token)
    await studio.host.settle()
    assert studio.peers.publishers[0].closed
    await studio.run(0.5)
    assert studio.live().state is StreamState.LIVE
    assert studio.live().position > 0.3 * SAMPLE_RATE


def test_only_hashes_of_tokens_are_kept_and_a_later_run_knows_them() -> None:
    tokens = ResumeTokens()
    given = [tokens.issue()]
    for _ in range(TOKENS - 1):
        tokens = ResumeTokens(tokens.hashes)
        given.append(tokens.issue())
    later = ResumeTokens(tokens.hashes)
    assert not any(token in "".join(later.hashes) for token in given)
    assert not later.accept("made-up")
    assert later.accept(given[3])
    assert later.issue() == given[3]  # whoever came back with it keeps it
    assert all(later.accept(token) for token in given)
    for _ in range(100):
        later = ResumeTokens(later.hashes)
        later.issue()
    assert len(later.hashes) == TOKENS
    assert not later.accept(given[0])
    assert np.all([len(hashed) == 64 for hashed in later.hashes])
