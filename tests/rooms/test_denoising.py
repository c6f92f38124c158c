"""The denoiser as a stream has it: how much, since when, and what is told when it fails."""

from __future__ import annotations

import pytest

from server.errors import Conflict, Unavailable
from server.inference.lane import DenoiserStatus
from server.rooms.messages import DenoiseMode, StreamChange
from tests.rooms.studio import Studio


async def test_beyond_what_the_denoiser_carries_only_streams_without_it_begin(studio: Studio) -> None:
    studio.denoise.limit = 1
    await studio.publish()
    with pytest.raises(Unavailable, match="denoise=absent") as full:
        await studio.publish("other")
    assert (full.value.code, full.value.retry_after) == ("denoise-full", 30)
    await studio.publish("other", denoise=DenoiseMode.ABSENT)
    assert len(studio.host.streams()) == 2


async def test_how_much_is_taken_out_can_be_changed_while_live(studio: Studio) -> None:
    await studio.publish()
    await studio.run(1)
    changed = await studio.host.update("stream-1", StreamChange(denoise_strength=0.25, post_filter=True))
    assert (changed.denoise.strength, changed.denoise.post_filter) == (0.25, True)
    assert studio.denoise.lanes[0].sharp
    assert studio.told("stream_updated")[-1].stream == changed


async def test_how_much_is_taken_out_may_be_said_at_the_start(studio: Studio) -> None:
    await studio.publish(denoise_strength=0.5, post_filter=True)
    assert (studio.live().denoise.strength, studio.live().denoise.post_filter) == (0.5, True)


async def test_denoising_is_fixed_as_absent_when_the_stream_starts_so(studio: Studio) -> None:
    await studio.publish(denoise=DenoiseMode.ABSENT)
    await studio.run(1)
    assert studio.live().denoise.state == "off"
    with pytest.raises(Conflict):
        await studio.host.update("stream-1", StreamChange(denoise=DenoiseMode.ACTIVE))
    await studio.publish("other")
    with pytest.raises(Conflict):
        await studio.host.update("stream-2", StreamChange(denoise=DenoiseMode.ABSENT))


async def test_a_machine_that_cannot_denoise_says_so_for_itself_and_every_stream(studio: Studio) -> None:
    await studio.host.start()
    await studio.publish()
    await studio.run(1)
    studio.denoise.tell(DenoiserStatus("degraded", "DeepFilterNet3", "cpu", "The denoiser is being started again."))
    assert studio.live().denoise.state == "degraded"
    studio.denoise.tell(DenoiserStatus("ready", "RNNoise", "cpu", "RNNoise stands in."))
    assert (studio.live().denoise.state, studio.live().denoise.detail) == ("ok", "RNNoise stands in.")
    machine = [event for event in studio.events if event.stream is None]
    assert [(event.type, event.stage) for event in machine] == [("degraded", "denoise"), ("recovered", "denoise")]


async def test_a_denoiser_that_stops_answering_is_told_once_and_so_is_its_return(studio: Studio) -> None:
    await studio.publish()
    await studio.run(2)
    assert studio.live().denoise.state == "ok"
    for _ in range(5):  # single late hops are not news
        studio.denoise.dead = True
        await studio.run(0.05)
        studio.denoise.dead = False
        await studio.run(0.35)
    assert studio.told("degraded") == []
    studio.denoise.dead = True
    await studio.run(2)
    assert studio.live().denoise.state == "degraded"
    studio.denoise.dead = False
    await studio.run(3)
    told = [(event.type, event.stage) for event in studio.events if event.type in ("degraded", "recovered")]
    assert told == [("degraded", "denoise"), ("recovered", "denoise")]
    assert studio.told("degraded")[0].detail
    assert studio.live().denoise.state == "ok"
