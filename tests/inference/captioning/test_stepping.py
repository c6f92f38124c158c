"""A recogniser that runs out of memory, or whose GPU fails, goes on in a smaller way and says so."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pytest

from server.errors import ModelCorrupt
from server.inference.captioning.stepping import SteppingRecogniser
from server.inference.recogniser import DeviceFailed, OutOfMemory, RecogniserSettings, out_of_memory
from server.speech.decoded import Decoded
from server.speech.processor import Request

GPU = RecogniserSettings(device="cuda", compute_type="float16", batch=4)
CPU = RecogniserSettings(device="cpu", compute_type="float32", batch=1)
FULL = RuntimeError("CUDA failed with error out of memory")

Fits = Callable[[RecogniserSettings, int], bool]


class Device:
    """Has room for what `fits` says: settings and number of windows, 0 for the model itself."""

    def __init__(self, fits: Fits) -> None:
        self.fits = fits
        self.loaded: list[RecogniserSettings] = []

    def load(self, settings: RecogniserSettings) -> Model:
        self.loaded.append(settings)
        if not self.fits(settings, 0):
            raise OutOfMemory("no room")
        return Model(self, settings)


class Model:
    def __init__(self, device: Device, settings: RecogniserSettings) -> None:
        self.device = device
        self.settings = settings

    def alike(self, request: Request) -> Hashable:
        return None

    def answer_all(self, requests: Sequence[Request]) -> list[Decoded]:
        if not self.device.fits(self.settings, len(requests)):
            raise FULL
        return [Decoded((), str(request.id)) for request in requests]


def requests(count: int) -> list[Request]:
    return [Request(number, "transcribe", (np.zeros(1, np.float32),), 0, False) for number in range(count)]


def languages(answers: Sequence[Decoded]) -> list[str | None]:
    return [answer.language for answer in answers]


def test_fewer_windows_at_once_come_first() -> None:
    recogniser = SteppingRecogniser(Device(lambda settings, windows: windows <= 2).load, GPU)
    assert languages(recogniser.answer_all(requests(4))) == ["0", "1", "2", "3"]
    assert (recogniser.settings.batch, recogniser.device) == (2, "cuda")
    assert "2 windows" in recogniser.detail


def test_then_int8_and_then_the_processor() -> None:
    device = Device(lambda settings, windows: settings.compute_type.startswith("int8"))
    recogniser = SteppingRecogniser(device.load, GPU)
    assert (recogniser.settings.compute_type, recogniser.device) == ("int8_float16", "cuda")
    device.fits = lambda settings, windows: settings.device == "cpu"
    assert languages(recogniser.answer_all(requests(3))) == ["0", "1", "2"]
    assert (recogniser.settings.compute_type, recogniser.device, recogniser.settings.batch) == ("int8", "cpu", 1)
    assert "processor" in recogniser.detail


def test_where_nothing_is_left_to_give_up_the_window_fails_and_the_next_is_tried() -> None:
    device = Device(lambda settings, windows: windows == 0)
    recogniser = SteppingRecogniser(device.load, CPU)
    with pytest.raises(RuntimeError, match="out of memory"):
        recogniser.answer_all(requests(1))
    assert recogniser.settings.compute_type == "int8"
    device.fits = lambda settings, windows: True
    assert languages(recogniser.answer_all(requests(1))) == ["0"]


def test_a_model_that_never_fits_cannot_be_loaded() -> None:
    with pytest.raises(OutOfMemory):
        SteppingRecogniser(Device(lambda settings, windows: False).load, GPU)


def test_a_gpu_that_does_not_work_leaves_the_work_to_the_processor() -> None:
    def load(settings: RecogniserSettings) -> Model:
        if settings.device == "cuda":
            raise DeviceFailed("CUDA driver version is insufficient")
        return Model(Device(lambda settings, windows: True), settings)

    recogniser = SteppingRecogniser(load, GPU)
    assert recogniser.device == "cpu" and "GPU could not be used" in recogniser.detail
    assert languages(recogniser.answer_all(requests(2))) == ["0", "1"]


def test_other_failures_are_not_mended_by_stepping_down() -> None:
    def load(settings: RecogniserSettings) -> Model:
        raise ModelCorrupt("damaged")

    with pytest.raises(ModelCorrupt):
        SteppingRecogniser(load, GPU)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (FULL, True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"), True),
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("invalid value"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_failures(error: BaseException, memory: bool) -> None:
    assert out_of_memory(error) is memory
