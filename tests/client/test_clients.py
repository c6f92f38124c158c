"""The clients against a server in the same process, over real sockets."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.client import commands
from server.client.commands import own_channel, publish_file, record_stream
from server.client.media import open_writer, read_audio
from server.client.whep import GaplessDecoder, Listening
from server.client.whip import Publication, packets, publish
from server.clock import PACKET
from server.errors import ChannelLive, ClearcastError, ResumeRefused, Unavailable
from server.rtc.reorder import RtpAudio
from server.running import run_to_end
from tests.client.conftest import Relay
from tests.rtc.peers import tone, until


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A file of 1.1 s less a few samples."""
    writer = open_writer(tmp_path / "talk.wav")
    writer.write(np.concatenate([tone(n) for n in range(55)])[:-100])
    writer.close()
    return tmp_path / "talk.wav"


async def test_a_file_is_published_in_real_time_and_the_session_deleted(relay: Relay, talk: Path) -> None:
    told: list[float] = []
    publications: list[Publication] = []
    loop = asyncio.get_running_loop()
    begun = loop.time()
    sent = await publish_file(
        relay.url,
        talk,
        title="Ä talk & more",
        token="secret",
        denoise="absent",
        record=False,
        started=publications.append,
        progress=told.append,
    )
    assert sent == pytest.approx(1.1)
    assert loop.time() - begun > 1.0
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.1)
    assert publications[0].stream_id == "s1"
    assert [method for method, _, _ in relay.requests] == ["POST", "DELETE"]
    assert relay.requests[0][1] == "/whip/main?title=%C3%84+talk+%26+more&denoise=absent&record=false"
    assert relay.requests[0][2] == "Bearer secret"
    assert relay.sessions == 0
    assert len(relay.audio) >= 45  # what had come when it was deleted


async def test_what_is_published_is_heard_and_kept(relay: Relay, tmp_path: Path) -> None:
    output = tmp_path / "heard.wav"
    heard: list[float] = []
    listening = asyncio.create_task(record_stream(relay.url, output, "main", seconds=0.8, progress=heard.append))
    await until(lambda: relay.listeners and relay.listeners[0].connected)
    await asyncio.sleep(0.2)
    blocks = [np.concatenate([tone(n) for n in range(60)])]
    publishing = asyncio.create_task(publish(f"{relay.url}/whip/main", blocks))
    seconds, concealed = await listening
    await publishing
    assert seconds == pytest.approx(0.8)
    assert concealed == 0
    assert heard[-1] == pytest.approx(0.8)
    audio = read_audio(output)
    assert len(audio) == 38_400
    assert float(np.sqrt(np.mean(audio[9600:] ** 2))) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    assert relay.sessions == 0


async def test_listening_ends_with_the_stream(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "POLL_S", 0.1)
    listening = asyncio.create_task(record_stream(relay.url, None, "main"))
    await until(lambda: relay.listeners and relay.listeners[0].connected)
    await asyncio.sleep(0.25)
    assert not listening.done()
    publication = await Publication.start(f"{relay.url}/whip/main")
    for n, packet in enumerate(packets([tone(n) for n in range(30)])):
        publication.send(packet, n * PACKET)
        await asyncio.sleep(0.02)
    await until(lambda: relay.told_live and relay.listeners[0].sent >= 25)
    assert not listening.done()
    await publication.stop()
    seconds, _ = await asyncio.wait_for(listening, 30)
    assert seconds > 0.2


async def test_packets_are_handed_over_at_once_where_that_is_wanted(relay: Relay) -> None:
    arrived: list[RtpAudio] = []
    listening = await Listening.start(f"{relay.url}/whep/main", on_packet=arrived.append)
    publication = await Publication.start(f"{relay.url}/whip/main")
    for n, packet in enumerate(packets([tone(0), tone(1), tone(2)])):
        assert publication.send(packet, n * PACKET)
    await until(lambda: len(arrived) == 3)
    assert [b.rtp_time - a.rtp_time for a, b in pairwise(arrived)] == [PACKET, PACKET]
    await publication.stop()
    assert publication.lost
    await listening.stop()
    await listening.stop()


async def test_the_servers_own_words_reach_the_user(relay: Relay) -> None:
    relay.refuse = ChannelLive("Somebody is live on this channel.")
    with pytest.raises(ChannelLive, match="Somebody is live"):
        await Publication.start(f"{relay.url}/whip/main")
    relay.refuse = ClearcastError("Odd.", code="odd")
    with pytest.raises(ClearcastError) as odd:
        await Listening.start(f"{relay.url}/whep/main")
    assert (odd.value.code, odd.value.message) == ("odd", "Odd.")
    with pytest.raises(ClearcastError, match="404"):
        await Listening.start(f"{relay.url}/whep/other")


async def test_a_server_that_is_not_there_is_named(free_port: int) -> None:
    for address in (f"http://127.0.0.1:{free_port}", "not an address"):
        with pytest.raises(Unavailable) as refused:
            await own_channel(address)
        assert refused.value.code == "unreachable"
        with pytest.raises(Unavailable):
            await Publication.start(f"{address}/whip/main")


async def test_a_server_that_goes_away_ends_the_publication(relay: Relay) -> None:
    blocks = (tone(n) for n in range(500))
    publishing = asyncio.create_task(publish(f"{relay.url}/whip/main", blocks))
    await until(lambda: len(relay.audio) > 5)
    await relay.close()
    with pytest.raises(Unavailable) as lost:
        await asyncio.wait_for(publishing, 60)
    assert lost.value.code == "connection-lost"


async def test_a_lost_connection_is_taken_up_again_with_the_token_it_was_given(relay: Relay) -> None:
    told: list[str] = []
    blocks = [np.concatenate([tone(n) for n in range(80)])]
    publishing = asyncio.create_task(publish(f"{relay.url}/whip/main", blocks, patience=30, told=told.append))
    await until(lambda: len(relay.audio) > 5)
    await relay.cut()
    assert await asyncio.wait_for(publishing, 60) == pytest.approx(1.6)
    assert relay.tokens == [None, "token-peer0"]
    assert told == ["The connection was lost. Connecting anew …", "Live again."]
    assert len(relay.audio) > 70  # the file went on where it was
    assert [method for method, _, _ in relay.requests] == ["POST", "POST", "DELETE"]  # and the stream was ended once

    publishing = asyncio.create_task(publish(f"{relay.url}/whip/main", (tone(n) for n in range(500)), patience=30))
    await until(lambda: len(relay.tokens) == 3 and relay.sessions == 2)
    await asyncio.sleep(0.2)
    relay.refuse = ResumeRefused("Another stream is live on this channel.")
    await relay.cut()
    with pytest.raises(ResumeRefused):
        await asyncio.wait_for(publishing, 60)


def heard(numbers: list[int]) -> tuple[np.ndarray[Any, Any], int]:
    decoder = GaplessDecoder()
    made = list(packets([tone(n) for n in range(300)]))
    parts, made_up = [], 0
    for number in numbers:
        samples, concealed = decoder.decode(RtpAudio(number, number * PACKET, made[number], 0))
        parts.append(samples)
        made_up += concealed
    return np.concatenate(parts), made_up


def test_missing_packets_are_made_up_in_their_length() -> None:
    audio, made_up = heard([0, 1, 2, 3, 4, 7, 8, 9])
    assert len(audio) == 10 * PACKET
    assert made_up == 2 * PACKET
    assert float(np.sqrt(np.mean(audio[5 * PACKET : 7 * PACKET] ** 2))) > 0.1


def test_long_holes_are_silence_and_what_comes_late_is_left_out() -> None:
    audio, made_up = heard([0, 1, 200, 190, 201])
    assert len(audio) == 202 * PACKET
    assert made_up == 198 * PACKET
    assert not audio[50 * PACKET : 200 * PACKET].any()


def test_a_signal_ends_a_command_in_good_order() -> None:
    tidied = []

    async def job() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            tidied.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_to_end(job())
    assert tidied


def test_the_commands_report_what_they_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    async def record(server: str, output: Path, channel: str, **options: Any) -> tuple[float, float]:
        options["progress"](2.0)
        return 2.0, 0.02

    monkeypatch.setattr(commands, "record_stream", record)
    options = argparse.Namespace(
        server="http://x",
        output=str(tmp_path / "a.wav"),
        channel="c",
        seconds=2,
        insecure=False,
        stereo=False,
        captions=False,
        token_file=None,
    )
    assert commands.listen(options) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(tmp_path / "a.wav")
    assert "1.0 % of it made up" in captured.err
