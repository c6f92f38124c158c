"""A stream's life: who may publish and resume, what everybody else gets to know."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.clock import SAMPLE_RATE
from server.errors import ChannelLive, InvalidRequest, NotFound, Unavailable
from server.rooms.messages import DenoiseMode, PeerAnswer, StreamChange, StreamState
from tests.rooms.sound import level, tone
from tests.rooms.studio import Studio, heard


async def test_a_stream_starts_with_its_first_audio(studio: Studio) -> None:
    answer = await studio.publish()
    assert studio.live().state is StreamState.CONNECTING
    await studio.run(2, source=None)
    assert (studio.live().state, studio.live().position) == (StreamState.CONNECTING, 0)
    await studio.run(2)
    stream = studio.live()
    assert (stream.id, stream.state, answer.stream_id) == ("stream-1", StreamState.LIVE, "stream-1")
    assert 1.8 * SAMPLE_RATE < stream.position <= 2 * SAMPLE_RATE
    assert [event.type for event in studio.events] == ["stream_state", "stream_started"]
    assert stream.started_at == studio.told("stream_started")[0].stream.started_at  # type: ignore[union-attr]


async def test_a_publisher_who_never_sends_is_let_go(studio: Studio) -> None:
    await studio.publish()
    await studio.run(30.1, source=None)
    assert studio.host.streams() == []
    assert studio.peers.publishers[0].closed
    ended = studio.told("stream_ended")[0].stream
    assert ended is not None
    assert (ended.end_reason, ended.recording.id) == ("never-connected", None)


async def test_nobody_else_publishes_on_a_live_channel(studio: Studio) -> None:
    await studio.publish()
    await studio.run(1)
    with pytest.raises(ChannelLive):
        await studio.publish(principal="bob")
    with pytest.raises(ChannelLive):
        await studio.publish()  # the same principal, while its audio still comes
    studio.peers.publishers[0].state("silent")
    with pytest.raises(ChannelLive):
        await studio.publish(principal="bob")  # waiting for its publisher is being live too
    await studio.publish(channel="other", principal="bob")
    assert len(studio.host.streams()) == 2


async def test_coming_back_keeps_the_stream_its_timeline_and_its_listeners(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish()
    await studio.run(2)
    studio.peers.publishers[0].state("lost")
    stream = studio.live()
    assert stream.state is StreamState.RECONNECTING
    assert stream.reconnect_by is not None
    assert (stream.reconnect_by - studio.clock.wall()).total_seconds() == 5
    await studio.run(3, source=None)
    answer = await studio.publish(title="ignored")
    await studio.run(2)
    assert answer.stream_id == "stream-1"
    stream = studio.live()
    assert (stream.state, stream.reconnect_by) == (StreamState.LIVE, None)
    assert stream.position > 6.8 * SAMPLE_RATE
    _, audio = heard(listener)
    assert len(audio) > 6.8 * SAMPLE_RATE
    assert level(audio[3 * SAMPLE_RATE : 4 * SAMPLE_RATE]) < 0.001
    assert level(audio[-SAMPLE_RATE:]) > 0.1
    states = [event.stream.state for event in studio.told("stream_state") if event.stream is not None]
    assert states == [StreamState.CONNECTING, StreamState.RECONNECTING, StreamState.LIVE]


async def test_a_stream_ends_when_nobody_comes_back(studio: Studio) -> None:
    await studio.publish()
    await studio.run(1)
    studio.peers.publishers[0].state("lost")
    await studio.run(4.9, source=None)
    assert studio.live().state is StreamState.RECONNECTING
    await studio.run(0.2, source=None)
    assert studio.host.streams() == []
    ended = studio.told("stream_ended")[0].stream
    assert ended is not None
    assert ended.end_reason == "lost"
    assert studio.peers.publishers[0].closed


async def test_silence_on_the_wire_waits_for_the_same_connection_too(studio: Studio) -> None:
    await studio.publish()
    await studio.run(1)
    studio.peers.publishers[0].state("silent")
    assert studio.live().state is StreamState.RECONNECTING
    await studio.run(1)
    assert studio.live().state is StreamState.LIVE


async def test_a_connection_that_was_taken_over_is_not_heard_any_more(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish()
    await studio.run(1)
    old = studio.peers.publishers[0]
    await studio.run(1.1, source=None)  # frozen, although nobody has noticed yet
    answer = await studio.publish()
    assert answer.stream_id == "stream-1"
    await studio.host.settle()
    assert old.closed
    await studio.run(1, tone, old)
    assert studio.live().state is StreamState.RECONNECTING
    old.state("lost")
    await studio.run(1)
    assert studio.live().state is StreamState.LIVE
    _, audio = heard(listener)
    assert level(audio[int(2.3 * SAMPLE_RATE) : 3 * SAMPLE_RATE]) < 0.001


async def test_limits_are_told_with_a_time_to_try_again(tmp_path: Path) -> None:
    studio = Studio(tmp_path, max_streams=1, max_listeners=2)
    await studio.publish()
    with pytest.raises(Unavailable) as full:
        await studio.publish(channel="other")
    assert (full.value.code, full.value.retry_after) == ("too-many-streams", 30)
    await studio.listen()
    answer, _ = await studio.listen()
    with pytest.raises(Unavailable) as many:
        await studio.listen()
    assert many.value.code == "too-many-listeners"
    await studio.host.remove(answer.peer_id, "left")
    await studio.listen()
    await studio.host.end("stream-1", "ended")
    await studio.publish(channel="other")
    await studio.host.close()


async def test_a_stream_that_fails_ends_alone(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    _, listener = await studio.listen("other")
    await studio.publish()
    await studio.publish("other")
    one, other = studio.peers.publishers
    await studio.run(1, tone, one, other)
    lane = studio.denoise.lanes[0]
    monkeypatch.setattr(lane, "collect", lambda: 1 / 0)
    await studio.run(1, tone, other)
    assert [stream.channel_id for stream in studio.host.streams()] == ["other"]
    ended = studio.told("stream_ended")[0].stream
    assert ended is not None
    assert ended.end_reason == "error"
    heard(listener)


async def test_titles(studio: Studio) -> None:
    await studio.publish()
    assert studio.live().title.startswith("Ann, 2026-11-03 ")
    stream = await studio.host.update("stream-1", StreamChange(title=" Über\nLärm\u2028🎙 "))
    assert stream.title == "Über Lärm 🎙"
    with pytest.raises(InvalidRequest):
        await studio.host.update("stream-1", StreamChange(title="x" * 10_000))
    with pytest.raises(InvalidRequest):
        await studio.publish("other", title="x" * 10_000)
    assert len(studio.peers.publishers) == 1
    assert [event.stream.title for event in studio.told("stream_updated") if event.stream] == ["Über Lärm 🎙"]


async def test_what_is_gone_is_not_found(studio: Studio) -> None:
    with pytest.raises(NotFound):
        await studio.host.update("stream-1", StreamChange(title="x"))
    with pytest.raises(NotFound):
        await studio.host.end("stream-1", "ended")
    with pytest.raises(NotFound):
        await studio.host.remove("nobody", "left")
    with pytest.raises(NotFound):
        await studio.host.trickle("nobody", "a=end-of-candidates")
    answer = await studio.publish()
    await studio.host.trickle(answer.peer_id, "a=end-of-candidates")
    assert studio.peers.publishers[0].fragments == ["a=end-of-candidates"]
    assert studio.host.stream("stream-1") == studio.live() == studio.host.live_on("main")
    await studio.host.remove(answer.peer_id, "publisher")
    assert studio.host.live_on("main") is None
    with pytest.raises(NotFound):
        await studio.host.remove(answer.peer_id, "publisher")


async def test_a_publisher_who_was_lost_may_still_end_the_stream_unless_another_took_over(studio: Studio) -> None:
    lost = await studio.publish()
    await studio.run(0.5)
    studio.peers.publishers[0].state("lost")
    await studio.host.settle()
    assert studio.live().state is StreamState.RECONNECTING
    await studio.host.remove(lost.peer_id, "left")
    await studio.host.settle()
    assert studio.host.streams() == []
    assert [event.stream.end_reason for event in studio.told("stream_ended") if event.stream] == ["left"]

    lost = await studio.publish()
    await studio.run(0.5)
    studio.peers.publishers[1].state("lost")
    back = await studio.publish()
    with pytest.raises(NotFound):
        await studio.host.remove(lost.peer_id, "left")
    await studio.host.remove(back.peer_id, "left")
    assert studio.host.streams() == []
    assert studio.host._publishing._publishers == {}


async def test_a_peer_may_be_connected_or_lost_before_its_answer_is_given(studio: Studio) -> None:
    studio.peers.hasty = "connected"
    await studio.publish()
    await studio.listen(connected=False)
    await studio.run(0.2)
    assert studio.live().listeners == 1
    assert studio.peers.listeners[0].packets
    studio.peers.hasty = "lost"
    with pytest.raises(Unavailable):
        await studio.publish("other")
    with pytest.raises(Unavailable):
        await studio.listen("other")
    await studio.host.settle()
    assert len(studio.host.streams()) == 1
    assert studio.peers.publishers[1].closed
    assert studio.peers.listeners[1].closed


async def test_of_two_who_publish_at_once_one_does(studio: Studio) -> None:
    results = await asyncio.gather(
        studio.publish(), studio.publish(principal="bob"), studio.publish(), return_exceptions=True
    )
    assert [type(result) for result in results] == [PeerAnswer, ChannelLive, ChannelLive]
    await studio.host.settle()
    assert [publisher.closed for publisher in studio.peers.publishers] == [False, True, True]


async def test_a_server_that_stood_still_loses_nothing_of_what_was_said(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish(denoise=DenoiseMode.ABSENT)
    await studio.run(2)
    await studio.stall(2)
    await studio.run(2)
    _, audio = heard(listener)
    tenths = [level(audio[at : at + 4800]) for at in range(4800, len(audio) - 4800, 4800)]
    assert len(tenths) >= 57
    assert min(tenths) == pytest.approx(level(tone(0)), rel=0.05)


async def test_closing_hangs_up_and_leaves_what_was_live_to_the_next_run(studio: Studio) -> None:
    _, listener = await studio.listen()
    await studio.publish(record=True)
    await studio.run(1)
    await studio.publish("never heard", principal="bob")
    studio.host.drain()
    for refused in (studio.publish("other"), studio.listen()):
        with pytest.raises(Unavailable) as error:
            await refused
        assert error.value.code == "closing"
        assert error.value.retry_after is not None
    assert not listener.closed
    await studio.host.close()
    assert studio.host.streams() == []
    assert listener.closed
    assert [publisher.closed for publisher in studio.peers.publishers] == [True, True]
    waiting = studio.told("stream_state")[-1].stream
    assert waiting is not None
    assert (waiting.id, waiting.state) == ("stream-1", StreamState.RECONNECTING)
    (ended,) = [event.stream for event in studio.told("stream_ended") if event.stream is not None]
    assert (ended.id, ended.end_reason) == ("stream-2", "shutdown")
