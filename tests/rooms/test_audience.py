"""Listeners come and go, and none of them harms another."""

from __future__ import annotations

from itertools import pairwise

from server.clock import PACKET, SAMPLE_RATE
from tests.rooms.studio import Studio, heard


async def test_listeners_who_come_first_hear_the_stream_and_the_next_one(studio: Studio) -> None:
    answer, listener = await studio.listen()
    assert answer.stream_id is None
    published = await studio.publish()
    await studio.run(1)
    assert studio.live().listeners == 1
    await studio.host.remove(published.peer_id, "publisher")
    await studio.run(3, source=None)
    first = len(listener.packets)
    await studio.publish()
    await studio.run(1)
    assert first >= 40
    assert len(listener.packets) >= first + 40
    times = [time for time, _ in listener.packets]
    assert times == sorted(set(times))
    assert times[first] - times[first - 1] >= 3 * SAMPLE_RATE  # their clock went on between the streams


async def test_a_late_listener_starts_at_the_live_edge(studio: Studio) -> None:
    await studio.publish()
    await studio.run(5)
    now = studio.clock.samples()
    _, listener = await studio.listen()
    await studio.run(0.5)
    assert listener.packets[0][0] > now - SAMPLE_RATE // 5


async def test_listeners_are_counted_and_announced(studio: Studio) -> None:
    await studio.publish()
    await studio.run(1)
    first, _ = await studio.listen()
    _, second = await studio.listen()
    await studio.listen(connected=False)
    await studio.run(1)
    assert (studio.live().listeners, studio.live().listeners_peak) == (2, 2)
    await studio.host.remove(first.peer_id, "left")
    second.state("lost")
    await studio.run(1)
    assert (studio.live().listeners, studio.live().listeners_peak) == (0, 2)
    assert [event.stream.listeners for event in studio.told("listeners") if event.stream] == [2, 0]
    assert second.closed


async def test_a_listener_that_fails_loses_only_its_own_packets(studio: Studio) -> None:
    _, broken = await studio.listen()
    _, well = await studio.listen()
    broken.broken = True
    await studio.publish()
    await studio.run(1)
    assert broken.closed
    assert studio.live().listeners == 1
    assert len(well.packets) >= 45
    heard(well)


async def test_streams_of_one_channel_never_share_packets(studio: Studio) -> None:
    _, one = await studio.listen("one")
    _, two = await studio.listen("two")
    await studio.publish("one")
    await studio.run(1)
    assert len(one.packets) >= 45
    assert two.packets == []
    assert {later - earlier for (earlier, _), (later, _) in pairwise(one.packets)} == {PACKET}


async def test_who_comes_and_who_goes_is_told(studio: Studio) -> None:
    await studio.publish()
    first, _ = await studio.listen()
    second, peer = await studio.listen()
    await studio.host.remove(first.peer_id, "removed")
    peer.state("lost")
    assert [(told.peer_id, told.principal, told.here) for told in studio.came] == [
        (first.peer_id, "somebody", True),
        (second.peer_id, "somebody", True),
        (first.peer_id, "somebody", False),
        (second.peer_id, "somebody", False),
    ]
    assert {told.channel_id for told in studio.came} == {"main"}
