"""The shared memory, both ends in one process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.inference.exchange.area import Area, Descriptors
from server.inference.exchange.host import HostEnd
from server.inference.exchange.worker import WorkerEnd
from server.inference.lane import ANSWERS, RING
from tests.inference.helpers import hop


@pytest.fixture
def area() -> Iterator[Area]:
    area = Area.create(4)
    yield area
    area.close()


def serve(worker: WorkerEnd, gain: float = 1.0) -> int:
    """Answer everything that waits; returns the number of batches."""
    batches = 0
    worker.woken()
    while (batch := worker.take(0)) is not None:
        worker.answer(batch, batch.indices, batch.hops * np.float32(gain), np.ones(len(batch.slots), bool))
        batches += 1
    worker.signal()
    return batches


def test_hops_of_all_slots_travel_there_as_one_batch_and_back(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slots = [host.open() for _ in range(3)]
    for slot in slots:
        host.submit(slot, 7, hop(slot + 1))
    host.flush()
    assert serve(worker, gain=2.0) == 1
    assert host.answered() is not None
    for slot in slots:
        [(index, samples)] = host.collect(slot)
        assert index == 7
        np.testing.assert_array_equal(samples, hop(2 * (slot + 1)))
        assert host.collect(slot) == []


def test_the_worker_sees_nothing_before_the_flush(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slot = host.open()
    host.submit(slot, 0, hop(1))
    assert worker.take(0) is None
    host.flush()
    assert worker.take(0) is not None


def test_another_mapping_of_the_same_memory_sees_the_same(area: Area) -> None:
    host = HostEnd(area)
    worker = WorkerEnd(Area(Descriptors(*area.descriptors), 4))
    slot = host.open()
    host.submit(slot, 0, hop(0.25))
    host.flush()
    serve(worker)
    assert host.collect(slot)[0][1][0] == 0.25


def test_memory_of_another_size_is_refused(area: Area) -> None:
    with pytest.raises(ValueError, match="5 slots"):
        Area(area.descriptors, 5)


def test_a_full_ring_refuses_the_newest_and_keeps_the_rest(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slot = host.open()
    taken = [host.submit(slot, index, hop(index)) for index in range(RING + 3)]
    assert taken == [True] * RING + [False] * 3
    host.flush()
    serve(worker)
    assert [index for index, _ in host.collect(slot)] == list(range(RING))
    assert host.submit(slot, 99, hop(1))


def test_answers_that_nobody_collects_are_bounded(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slot = host.open()
    for index in range(3 * RING):
        assert host.submit(slot, index, hop(index))
        host.flush()
        serve(worker)
    answers = host.collect(slot)
    assert [index for index, _ in answers] == list(range(RING))
    assert all(samples[0] == index for index, samples in answers)


def test_answers_go_around_the_end_of_their_ring(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slots = [host.open() for _ in range(3)]
    for index in range(5 * RING):
        asked = slots[: 1 + index % 3]
        for slot in asked:
            assert host.submit(slot, index, hop(100 * slot + index))
        host.flush()
        serve(worker)
        for slot in asked:
            [(answered, samples)] = host.collect(slot)
            assert answered == index
            assert (samples == 100 * slot + index).all()


def test_answers_beyond_the_whole_ring_are_refused_and_counted(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slots = [host.open() for _ in range(4)]
    dropped = ANSWERS.dropped
    for index in range(RING + 2):
        for slot in slots:
            assert host.submit(slot, index, hop(index))
        host.flush()
        serve(worker)
    host.answered()
    assert ANSWERS.dropped - dropped == 2 * 4
    for slot in slots:
        assert [index for index, _ in host.collect(slot)] == list(range(RING))
    host.submit(slots[0], 99, hop(1))
    host.flush()
    serve(worker)
    assert [index for index, _ in host.collect(slots[0])] == [99]


def test_one_that_collects_nothing_costs_the_others_none_of_their_answers(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    idle, busy = host.open(), host.open()
    dropped = ANSWERS.dropped
    for index in range(3 * RING):
        for slot in (idle, busy):
            assert host.submit(slot, index, hop(index))
        host.flush()
        serve(worker)
        assert [answered for answered, _ in host.collect(busy)] == [index]
    assert ANSWERS.dropped - dropped == 2 * RING
    assert host.uncollected() == RING
    assert [index for index, _ in host.collect(idle)] == list(range(RING))


def test_all_slots_can_be_taken_and_given_back(area: Area) -> None:
    host = HostEnd(area)
    slots = [host.open() for _ in range(5)]
    assert sorted(slots[:4]) == [0, 1, 2, 3]
    assert slots[4] is None
    host.close(2)
    assert host.open() == 2


def test_answers_from_before_a_reset_are_never_seen(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slot = host.open()
    host.submit(slot, 0, hop(1))
    host.flush()
    host.reset(slot)
    host.submit(slot, 1, hop(2))
    host.flush()
    serve(worker)
    assert [index for index, _ in host.collect(slot)] == [1]


def test_a_new_stream_in_a_used_slot_hears_nothing_of_the_old_one(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    old = host.open()
    host.submit(old, 0, hop(1))
    host.flush()
    host.close(old)
    new = host.open()
    assert new == old
    host.submit(new, 100, hop(2))
    host.flush()
    serve(worker)
    assert [index for index, _ in host.collect(new)] == [100]


def test_a_closed_slot_waits_for_nothing(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slot = host.open()
    host.submit(slot, 0, hop(1))
    host.flush()
    assert host.pending() == 1
    host.close(slot)
    host.flush()
    assert host.pending() == 0
    assert worker.closed().all()
    assert worker.take(0) is None


def test_hops_that_waited_too_long_are_thrown_away(area: Area) -> None:
    host, worker = HostEnd(area), WorkerEnd(area)
    slot = host.open()
    for index in range(3):
        host.submit(slot, index, hop(index))
        host.flush()
    stamps = area.request_entries[slot * RING :][:3, 2]
    batch = worker.take(int(stamps[2]))
    assert batch is not None
    assert batch.indices.tolist() == [2]
    assert worker.take(0) is None


def test_a_new_worker_begins_after_what_the_old_one_left(area: Area) -> None:
    host, first = HostEnd(area), WorkerEnd(area)
    slot = host.open()
    host.submit(slot, 0, hop(1))
    host.flush()
    serve(first)
    host.submit(slot, 1, hop(1))
    host.flush()
    second = WorkerEnd(area)
    assert second.take(0) is None
    host.submit(slot, 2, hop(3))
    host.flush()
    serve(second)
    assert [index for index, _ in host.collect(slot)] == [0, 2]


def test_a_flush_without_hops_wakes_nobody(area: Area) -> None:
    host = HostEnd(area)
    host.open()
    host.flush()
    assert host.answered() is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["submit", "flush", "serve", "collect", "reset", "reopen"]), st.integers(0, 2)),
        max_size=120,
    )
)
def test_whatever_the_order_answers_are_right_in_order_and_of_this_generation(steps: list[tuple[str, int]]) -> None:
    area = Area.create(3)
    host, worker = HostEnd(area), WorkerEnd(area)
    slots = [host.open() for _ in range(3)]
    following, oldest, seen = [0] * 3, [0] * 3, [-1] * 3
    for action, slot in steps:
        if action == "submit":
            host.submit(slots[slot], following[slot], hop(slot * 1000 + following[slot]))
            following[slot] += 1
        elif action == "flush":
            host.flush()
        elif action == "serve":
            serve(worker)
        elif action == "reset":
            host.reset(slots[slot])
            oldest[slot] = following[slot]
        elif action == "reopen":
            host.close(slots[slot])
            assert host.open() == slots[slot]
            oldest[slot] = following[slot]
        else:
            for index, samples in host.collect(slots[slot]):
                assert index > seen[slot]
                assert index >= oldest[slot]
                assert (samples == slot * 1000 + index).all()
                seen[slot] = index
    area.close()
