"""Captions through a real server in real time: `clearcast bench captions` and `bench pipeline`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.bench import caption_figures as figures
from server.bench import live_captions, pipeline
from server.bench.diarization_error import told_in_the_end
from server.bench.references import said
from server.bench.wording import align
from server.clock import SAMPLE_RATE
from tests.talks import NANO, TALK_TWO, read_talk

LENGTH = 2.95
"""Seconds of the talk: its first sentence."""


@pytest.mark.slow
@pytest.mark.allow_blocking(reason="the bench reads /proc between its measurements")
async def test_a_sentence_goes_through_the_server_and_comes_back_as_a_caption() -> None:
    audio = read_talk(TALK_TWO)[: round(LENGTH * SAMPLE_RATE)]
    done = await live_captions.play(audio, 1, {"captions_model": NANO})
    reference = said(TALK_TWO.with_suffix(".stm"), TALK_TWO.with_suffix(".ctm"))
    assert reference is not None
    reference = reference.until(LENGTH)
    (stream,) = done.streams
    alignment = align(reference.words, [entry.text for entry in figures.committed(stream.told)])
    assert alignment.errors <= 1
    late = figures.latencies(stream.told, alignment, reference.ends)
    assert all(value > 0.05 for value in late.final)  # nothing can be known before it was said
    assert all(soon <= final for soon, final in zip(late.interim, late.final, strict=True))
    assert 0 < done.processor_s < done.wall_s * 16 and done.peak_rss_mb > 50
    assert figures.finals(stream.told)[-1].final
    diarized = (Path(os.environ.get("CLEARCAST_MODELS_DIR", "")) / "diarization").is_dir()
    assert len({turn.speaker for turn in told_in_the_end(stream.who)}) == (1 if diarized else 0)


@pytest.mark.slow
@pytest.mark.allow_blocking(reason="the bench removes the server's log")
async def test_the_pipeline_is_measured_with_captions_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "SETTLE_S", 1.0)
    result = await pipeline.measure({"captions": True, "captions_model": NANO}, streams=1, seconds=1.0)
    assert result["engine"] in ("DeepFilterNet3", "RNNoise")
    assert 0 <= result["late_hops"] <= 1
    assert result["loop_lag_p99_ms"] > 0
    assert result["captions"] >= 0 and result["caption_gaps_s"] >= 0
