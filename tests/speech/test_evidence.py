"""Whether the sound speaks for what the model wrote."""

from __future__ import annotations

from server.clock import SAMPLE_RATE
from server.speech.decoded import Decoded, DecodedSegment, DecodedWord
from server.speech.evidence import EvidenceSettings, VoicingTrack, wordless
from server.speech.hypothesis import GuardSettings, Hypothesis, examine
from server.speech.processor import Word
from server.speech.vad import Voicing

FRAME = 1536
END = 8 * SAMPLE_RATE


def track(*voiced: tuple[float, float]) -> VoicingTrack:
    """Eight seconds in which somebody speaks at these times."""
    found = VoicingTrack()
    for start in range(0, END, FRAME):
        middle = (start + FRAME / 2) / SAMPLE_RATE
        found.append(Voicing(start, (float(any(a <= middle <= b for a, b in voiced)),)))
    return found


def segment(
    text: str, start: float, pace: float = 0.3, logprob: float = -0.3, no_speech: float = 0.0
) -> DecodedSegment:
    words = tuple(
        DecodedWord(start + i * pace, start + (i + 0.9) * pace, f" {w}", 0.9) for i, w in enumerate(text.split())
    )
    return DecodedSegment(start, words[-1].end, words, logprob, no_speech)


def judge(*segments: DecodedSegment, voiced: VoicingTrack, committed: tuple[Word, ...] = ()) -> Hypothesis:
    return examine(Decoded(segments), (0, END), committed, voiced, GuardSettings())


def text(hypothesis: Hypothesis) -> str:
    return "".join(word.text for word in hypothesis.words).strip()


def test_words_are_believed_where_somebody_speaks() -> None:
    found = judge(segment("all is well", 1.0), segment("phantom", 5.0), voiced=track((0.9, 2.0)))
    assert (text(found), found.trouble) == ("all is well", None)


def test_alignment_may_be_off_by_a_little() -> None:
    assert text(judge(segment("all is well", 1.0), voiced=track((1.2, 1.7)))) == "all is well"


def test_a_word_starts_and_ends_with_its_sound() -> None:
    (word,) = judge(segment("well", 0.5, pace=3.0), voiced=track((2.0, 2.6))).words
    assert abs(word.start - 2.0 * SAMPLE_RATE) <= 2 * FRAME and abs(word.end - 2.6 * SAMPLE_RATE) <= 2 * FRAME


def test_whispers_own_sign_of_silence_counts_alone() -> None:
    everywhere = track((0, 8))
    assert text(judge(segment("you", 1.0, logprob=-1.4, no_speech=0.9), voiced=everywhere)) == ""
    assert text(judge(segment("you", 1.0, logprob=-1.4), voiced=everywhere)) == "you"
    assert text(judge(segment("you", 1.0, no_speech=0.9), voiced=everywhere)) == "you"


def test_one_sign_of_silence_and_little_voice_are_enough() -> None:
    door = track((1.0, 1.2))
    assert text(judge(segment("thanks for watching now", 0.9, logprob=-1.4), voiced=door)) == ""
    assert text(judge(segment("thanks for watching now", 0.9, no_speech=0.9), voiced=door)) == ""


def test_nobody_speaks_that_fast() -> None:
    long = " ".join(["incomprehensibilities"] + [f"{chr(97 + i) * 3}thing" for i in range(12)])
    found = judge(segment(long, 1.0, pace=0.02), voiced=track((1.0, 1.3)))
    assert (found.trouble, found.sound) == ("speed", 0)


def test_words_that_go_back_in_time_are_not_new() -> None:
    committed = (Word(3 * SAMPLE_RATE, 4 * SAMPLE_RATE, " before", 0.9),)
    again = DecodedSegment(0, 3, (DecodedWord(3.0, 4.0, " before", 0.9), DecodedWord(1.0, 1.2, " other", 0.9)))
    found = judge(again, voiced=track((0, 8)), committed=committed)
    assert all(word.start >= committed[-1].end for word in found.words)


def test_a_hypothesis_that_starts_over_is_not_believed() -> None:
    committed = (Word(5 * SAMPLE_RATE, 6 * SAMPLE_RATE, " before", 0.9),)
    over = DecodedSegment(
        0, 3, tuple(DecodedWord(t, t + 0.2, f" {w}", 0.9) for w, t in (("before", 1.0), ("again", 1.3), ("told", 1.6)))
    )
    found = judge(over, voiced=track((0, 8)), committed=committed)
    assert (found.trouble, found.sound) == ("rewind", 0)


def test_times_without_any_order_mean_nothing() -> None:
    backwards = tuple(DecodedWord(5.0 - 0.4 * i, 5.2 - 0.4 * i, f" w{i}", 0.9) for i in range(8))
    found = judge(DecodedSegment(0, 6, backwards), voiced=track((0, 8)))
    assert (found.trouble, found.sound) == ("disorder", 0)


def test_symbols_are_not_words() -> None:
    assert text(judge(segment("♪ la ♪ ... -", 1.0), voiced=track((0, 8)))) == "la"


def test_cuts_are_between_segments() -> None:
    found = judge(segment("one two", 1.0), segment("three four", 2.0), segment("five", 3.0), voiced=track((0, 8)))
    assert [count for count, _ in found.cuts] == [2, 4]
    for count, sample in found.cuts:
        assert found.words[count - 1].end <= sample <= found.words[count].start


def test_speech_without_words_is_noticed() -> None:
    settings, voiced = EvidenceSettings(), track((1.0, 3.0), (5.0, 5.6))
    words = [Word(SAMPLE_RATE, 3 * SAMPLE_RATE, " loong", 0.9)]
    assert wordless([], 0, END, voiced, settings)
    assert not wordless(words, 0, END, voiced, settings)
    assert not wordless([], 4 * SAMPLE_RATE, END, voiced, settings)


def test_memory_of_voices_is_bounded() -> None:
    found = track((0, 8))
    found.forget(4 * SAMPLE_RATE)
    assert len(found.between(0, END)) == END // FRAME - 4 * SAMPLE_RATE // FRAME
    assert found.voiced(4 * SAMPLE_RATE, 5 * SAMPLE_RATE, 0.5) >= SAMPLE_RATE
    assert found.between(END, 0) == []


def test_words_that_take_no_time_need_the_voice() -> None:
    """Of noise at the edge of a window Whisper makes a segment of one word without any length."""
    said = segment("all is well", 1.0)
    instant = segment("yes", 5.0, pace=0.0)
    assert text(judge(said, instant, voiced=track((0.9, 2.0), (4.7, 4.9)))) == "all is well"
    short = segment("yes", 5.0, pace=0.05)
    assert text(judge(said, short, voiced=track((0.9, 2.0), (4.9, 5.2)))) == "all is well yes"
    # Among others such a word is none the worse: alignment does that.
    among = DecodedSegment(1.0, 5.0, (*said.words, *instant.words), -0.3, 0.0)
    assert text(judge(among, voiced=track((0.9, 2.0), (4.8, 4.9)))) == "all is well yes"
