"""Ways to run a step over the slots' memory: as it is written, recorded for the processor, recorded for a GPU.

What `advance` gives is the same in all of them. A step in which a stream begins, or after its end, is always run as
written.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from server.inference.deepfilter.step import Step

SIZES = (1, 4, 16, 64, 256, 1024, 2048, 4096, 8192)
"""Batches that a GPU's work is recorded for; a smaller one is filled up with a slot that nobody hears."""

EQUAL = 1e-4
"""How far a recorded step may lie beside the one it was recorded from."""


class Runner(Protocol):
    """Advances slots that all heard audio before and hear audio now."""

    name: str

    def advance(self, slots: list[int], hops: Tensor, sharpness: Tensor | None) -> Tensor:
        """Hops (batch, 480) on the processor → clean hops there; `sharpness` (batch,) or None where all are 0."""
        ...


def gathered(memory: Tensor, slots: list[int]) -> tuple[Tensor, Tensor | None]:
    """The rows of `slots`, and the indices to put them back by; None where the rows are the memory's own."""
    first, count = slots[0], len(slots)
    if slots[-1] == first + count - 1 and all(slot == first + row for row, slot in enumerate(slots)):
        return memory[first : first + count], None
    chosen = torch.as_tensor(slots, device=memory.device)
    return memory.index_select(0, chosen), chosen


class Eager:
    """Operation by operation."""

    name = "torch"

    def __init__(self, step: Step, memory: Tensor) -> None:
        self._step = step
        self._memory = memory

    def advance(
        self, slots: list[int], hops: Tensor | None, sharpness: Tensor | None, starting: Tensor | None = None
    ) -> Tensor:
        device = self._memory.device
        rows, chosen = gathered(self._memory, slots)
        clean: Tensor = self._step(
            rows,
            None if hops is None else hops.to(device),
            None if sharpness is None else sharpness.to(device),
            starting,
        )
        if chosen is not None:
            self._memory.index_copy_(0, chosen, rows)
        return clean.cpu()


class _Recorded(nn.Module):
    """A step without its exceptions, for `torch.jit.trace`."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, rows: Tensor, hops: Tensor, *sharpness: Tensor) -> Tensor:
        clean: Tensor = self.step(rows, hops, sharpness[0] if sharpness else None, None)
        return clean


class Traced:
    """The step recorded as one TorchScript graph, weights frozen into it; needs no compiler.

    Raises RuntimeError when what was recorded does not give what the step does.
    """

    name = "torch.jit"

    def __init__(self, step: Step, memory: Tensor) -> None:
        self._memory = memory
        hops = torch.full((3, step.config.hop), 0.01)
        self._plain = _trace(step, memory, hops)
        self._sharp = _trace(step, memory, hops, torch.full((3,), 0.02))

    def advance(self, slots: list[int], hops: Tensor, sharpness: Tensor | None) -> Tensor:
        rows, chosen = gathered(self._memory, slots)
        clean: Tensor = self._plain(rows, hops) if sharpness is None else self._sharp(rows, hops, sharpness)
        if chosen is not None:
            self._memory.index_copy_(0, chosen, rows)
        return clean


def _trace(step: Step, memory: Tensor, *inputs: Tensor) -> torch.jit.ScriptModule:
    recorded = _Recorded(step).eval()
    rows = memory[-1:].repeat(3, 1)
    with torch.no_grad():
        traced = cast(Any, torch.jit.trace)(recorded, (rows.clone(), *inputs), check_trace=False)
        frozen: torch.jit.ScriptModule = torch.jit.freeze(traced)
        # Another batch than the recorded one shows whether a size was recorded with it.
        for batch in (1, 3):
            ours, theirs = rows[:batch].clone(), rows[:batch].clone()
            for _ in range(3):
                parts = [part[:batch] for part in inputs]
                apart = (frozen(ours, *parts) - recorded(theirs, *parts)).abs().max()
                if not (apart <= EQUAL and (ours - theirs).abs().max() <= EQUAL * max(1.0, float(theirs.abs().max()))):
                    raise RuntimeError("the recorded step differs from the original")
    return frozen


class _Batch:
    """Fixed places for the input and output of one size of batch."""

    def __init__(self, size: int, memory: Tensor, hop: int, spare: int) -> None:
        device, pinned = memory.device, memory.is_cuda
        self.spare = spare
        self.slots = torch.full((size,), spare, pin_memory=pinned)
        self.hops = torch.zeros(size, hop, pin_memory=pinned)
        self.sharpness = torch.zeros(size, pin_memory=pinned)
        self.inside = tuple(part.to(device, copy=True) for part in (self.slots, self.hops, self.sharpness))
        self.clean = torch.zeros(size, hop, device=device)
        self.out = torch.zeros(size, hop, pin_memory=pinned)
        self.graph: Any = None

    def fill(self, slots: list[int], hops: Tensor, sharpness: Tensor | None) -> None:
        count = len(slots)
        self.slots[:count] = torch.as_tensor(slots)
        self.slots[count:] = self.spare
        self.hops[:count] = hops
        self.hops[count:] = 0.0
        self.sharpness.zero_()
        if sharpness is not None:
            self.sharpness[:count] = sharpness
        for place, part in zip(self.inside, (self.slots, self.hops, self.sharpness), strict=True):
            place.copy_(part, non_blocking=True)


class Fixed:
    """Batches of a few fixed sizes; on a GPU each is recorded as a CUDA graph, so that a step is a single launch.

    The memory's last row is the spare one. Without a GPU the same is done without recording, which gains nothing there.
    """

    def __init__(self, step: Step, memory: Tensor, sizes: tuple[int, ...] = SIZES) -> None:
        self._step = step
        self._memory = memory
        spare = len(memory) - 1
        wanted = [size for size in sizes if size < spare]
        wanted += [min((size for size in sizes if size >= spare), default=spare)]
        self._batches = [_Batch(size, memory, step.config.hop, spare) for size in wanted]
        self.name = "CUDA graphs" if memory.is_cuda else "fixed batches"
        if memory.is_cuda:
            pool = None
            for batch in reversed(self._batches):  # the largest first: the others live in its memory
                pool = self._record(batch, pool)

    def advance(self, slots: list[int], hops: Tensor, sharpness: Tensor | None) -> Tensor:
        batch = next((batch for batch in self._batches if len(batch.slots) >= len(slots)), None)
        if batch is None:
            raise ValueError(f"{len(slots)} streams are more than the largest batch")
        batch.fill(slots, hops, sharpness)
        if batch.graph is not None:
            batch.graph.replay()
        else:
            self._work(batch)
        batch.out.copy_(batch.clean, non_blocking=True)
        if self._memory.is_cuda:
            torch.cuda.current_stream().synchronize()
        return batch.out[: len(slots)].clone()

    def _work(self, batch: _Batch) -> None:
        chosen, hops, sharpness = batch.inside
        rows = self._memory.index_select(0, chosen)
        batch.clean.copy_(self._step(rows, hops, sharpness, None))
        self._memory.index_copy_(0, chosen, rows)

    def _record(self, batch: _Batch, pool: object) -> object:
        cuda: Any = torch.cuda  # parts of it have no types
        with torch.no_grad():
            aside = cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):  # libraries set themselves up at first use, which cannot be recorded
                    self._work(batch)
            torch.cuda.current_stream().wait_stream(aside)
            batch.graph = cuda.CUDAGraph()
            with torch.cuda.graph(batch.graph, pool=pool):
                self._work(batch)
        return batch.graph.pool()
