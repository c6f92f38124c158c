"""The network's layers for one frame at a time, batch normalisation folded in.

Activations are laid out (batch, frequency, channels): convolutions over frequency become a few additions and one
matrix product. Each layer takes its parameters from the checkpoint by the name they have there.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from server.inference.deepfilter.weights import Weights


class FrozenLayer(nn.Module):
    """Holds constants; never trained."""

    def constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.contiguous(), persistent=False)


class InputConvolution(FrozenLayer):
    """Features of three frames → `channels`; kernel 3 × 3 and the pointwise convolution after it in one."""

    kernel: Tensor
    offset: Tensor

    def __init__(self, weights: Weights, name: str, inputs: int, channels: int) -> None:
        super().__init__()
        depthwise = weights.take(f"{name}.1.weight", channels, 1, 3, 3)
        kernel = torch.zeros(inputs, channels // inputs, inputs, 3, 3)
        for group, part in enumerate(depthwise.view(inputs, channels // inputs, 3, 3)):
            kernel[group, :, group] = part
        kernel = kernel.flatten(0, 1)
        last = 2
        if inputs > 1:
            pointwise = weights.take(f"{name}.2.weight", channels, channels, 1, 1)[:, :, 0, 0]
            kernel = torch.einsum("oc,citf->oitf", pointwise, kernel)
            last = 3
        factor, offset = weights.normalisation(f"{name}.{last}", channels)
        self.constant("kernel", kernel * factor[:, None, None, None])
        self.constant("offset", offset)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 3 frames, frequency, inputs) → (batch, frequency, channels)."""
        maps = functional.conv2d(frames.permute(0, 3, 1, 2), self.kernel, self.offset, padding=(0, 1))
        return maps.squeeze(2).permute(0, 2, 1).contiguous().relu_()


class Convolution(FrozenLayer):
    """Kernel 3 over frequency per channel, then pointwise; `stride` 1 or 2."""

    taps: Tensor
    pointwise: Tensor
    offset: Tensor

    def __init__(self, weights: Weights, name: str, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.constant("taps", weights.take(f"{name}.0.weight", channels, 1, 1, 3)[:, 0, 0].t())
        factor, offset = weights.normalisation(f"{name}.2", channels)
        self.constant("pointwise", _pointwise(weights, f"{name}.1.weight", channels, factor))
        self.constant("offset", offset)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, frequency, channels) → (batch, frequency / stride, channels)."""
        taps = self.taps
        batch, size, channels = maps.shape
        if self.stride == 2:
            pairs = maps.view(batch, size // 2, 2, channels)
            even, odd = pairs[:, :, 0], pairs[:, :, 1]
            mixed = even * taps[1]
            mixed.addcmul_(odd, taps[2])
            mixed[:, 1:].addcmul_(odd[:, :-1], taps[0])
        else:
            mixed = maps * taps[1]
            mixed[:, :-1].addcmul_(maps[:, 1:], taps[2])
            mixed[:, 1:].addcmul_(maps[:, :-1], taps[0])
        return _times(mixed, self.pointwise, self.offset).relu_()


class TransposedConvolution(FrozenLayer):
    """Kernel 3 over frequency per channel, doubling it, then pointwise."""

    taps: Tensor
    pointwise: Tensor
    offset: Tensor

    def __init__(self, weights: Weights, name: str, channels: int) -> None:
        super().__init__()
        self.constant("taps", weights.take(f"{name}.0.weight", channels, 1, 1, 3)[:, 0, 0].t())
        factor, offset = weights.normalisation(f"{name}.2", channels)
        self.constant("pointwise", _pointwise(weights, f"{name}.1.weight", channels, factor))
        self.constant("offset", offset)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, frequency, channels) → (batch, 2 · frequency, channels)."""
        taps = self.taps
        batch, size, channels = maps.shape
        pairs = maps.new_empty(batch, size, 2, channels)
        torch.mul(maps, taps[1], out=pairs[:, :, 0])
        torch.mul(maps, taps[2], out=pairs[:, :, 1])
        pairs[:, :-1, 1].addcmul_(maps[:, 1:], taps[0])
        return _times(pairs.view(batch, 2 * size, channels), self.pointwise, self.offset).relu_()


class Pathway(FrozenLayer):
    """A gain per channel on the way from encoder to decoder."""

    gain: Tensor
    offset: Tensor

    def __init__(self, weights: Weights, name: str, channels: int) -> None:
        super().__init__()
        factor, offset = weights.normalisation(f"{name}.1", channels)
        self.constant("gain", weights.take(f"{name}.0.weight", channels, 1, 1, 1)[:, 0, 0, 0] * factor)
        self.constant("offset", offset)

    def forward(self, maps: Tensor, onto: Tensor) -> Tensor:
        """The pathway's output plus `onto`; both (batch, frequency, channels)."""
        return torch.addcmul(self.offset, maps, self.gain).relu_().add_(onto)


class MaskOutput(FrozenLayer):
    """Kernel 3 over frequency, all channels into one gain in [0, 1] per band."""

    taps: Tensor
    offset: Tensor

    def __init__(self, weights: Weights, name: str, channels: int) -> None:
        super().__init__()
        factor, offset = weights.normalisation(f"{name}.1", 1)
        self.constant("taps", weights.take(f"{name}.0.weight", 1, channels, 1, 3)[0, :, 0] * factor)
        self.constant("offset", offset)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, bands, channels) → (batch, bands)."""
        parts = maps @ self.taps
        gains = parts[:, :, 1] + self.offset
        gains[:, 1:] += parts[:, :-1, 0]
        gains[:, :-1] += parts[:, 1:, 2]
        return gains.sigmoid_()


class TimeConvolution(FrozenLayer):
    """Kernel 5 over time in two groups of channels, then pointwise.

    What a frame contributes to the outputs to come is summed up at once: of the past, only these sums are kept.
    """

    taps: Tensor
    pointwise: Tensor
    offset: Tensor
    FRAMES = 5
    GROUPS = 2

    def __init__(self, weights: Weights, name: str, channels: int, outputs: int) -> None:
        super().__init__()
        self.share = outputs // self.GROUPS
        kernel = weights.take(f"{name}.1.weight", outputs, channels // self.GROUPS, self.FRAMES, 1)[..., 0]
        grouped = kernel.view(self.GROUPS, self.share, channels // self.GROUPS, self.FRAMES).flip(3)
        self.constant("taps", grouped.permute(0, 3, 1, 2).flatten(1, 2))
        factor, offset = weights.normalisation(f"{name}.3", outputs)
        self.constant("pointwise", _pointwise(weights, f"{name}.2.weight", outputs, factor).t())
        self.constant("offset", offset.unsqueeze(1))

    def forward(self, maps: Tensor, sums: Tensor) -> Tensor:
        """(batch, bins, channels) → (batch, bins, outputs); `sums` (batch, 2, 4 · outputs / 2, bins) moves on."""
        batch, bins, _ = maps.shape
        # Bins innermost: adding to and moving on the sums then run over long rows.
        groups = maps.view(batch * bins, self.GROUPS, -1).permute(1, 2, 0)
        parts = torch.bmm(self.taps, groups).view(self.GROUPS, -1, batch, bins)
        waiting = sums.permute(1, 2, 0, 3)
        parts[:, : -self.share] += waiting
        waiting.copy_(parts[:, self.share :])
        now = parts[:, : self.share].reshape(self.GROUPS * self.share, batch * bins)
        mixed = torch.addmm(self.offset, self.pointwise, now).relu_()
        return mixed.view(-1, batch, bins).permute(1, 2, 0)


class GroupedLinear(FrozenLayer):
    """A matrix that mixes only within groups of its inputs."""

    matrices: Tensor

    def __init__(self, weights: Weights, name: str, inputs: int, outputs: int) -> None:
        super().__init__()
        matrices = weights.take(f"{name}.weight", None, None, None)
        groups = matrices.shape[0]
        if (groups * matrices.shape[1], groups * matrices.shape[2]) != (inputs, outputs):
            raise weights.mismatch(f"parameter {name}.weight does not map {inputs} values to {outputs}")
        self.constant("matrices", matrices)

    def forward(self, values: Tensor) -> Tensor:
        """(batch, inputs) → (batch, outputs)."""
        batch = values.shape[0]
        groups, size, _ = self.matrices.shape
        product = torch.bmm(values.view(batch, groups, size).transpose(0, 1), self.matrices)
        return product.transpose(0, 1).reshape(batch, -1)


class RecurrentLayers(FrozenLayer):
    """Gated recurrent units, one on top of the other, of equal size; gates in torch's order r, z, n."""

    def __init__(self, weights: Weights, name: str, size: int, layers: int) -> None:
        super().__init__()
        self.size = size
        self.layers = layers
        for layer in range(layers):
            for side in ("ih", "hh"):
                matrix = weights.take(f"{name}.weight_{side}_l{layer}", 3 * size, size)
                self.constant(f"{side}_{layer}", matrix.t())
                self.constant(f"bias_{side}_{layer}", weights.take(f"{name}.bias_{side}_l{layer}", 3 * size))

    def forward(self, values: Tensor, hidden: Tensor) -> Tensor:
        """(batch, size) → (batch, size); `hidden` (batch, layers, size) moves on."""
        constants = cast(dict[str, Tensor], self._buffers)
        gates = 2 * self.size
        for layer in range(self.layers):
            before = hidden[:, layer]
            heard = torch.addmm(constants[f"bias_ih_{layer}"], values, constants[f"ih_{layer}"])
            known = torch.addmm(constants[f"bias_hh_{layer}"], before, constants[f"hh_{layer}"])
            reset, update = heard[:, :gates].add_(known[:, :gates]).sigmoid_().chunk(2, 1)
            candidate = heard[:, gates:].addcmul_(reset, known[:, gates:]).tanh_()
            values = torch.lerp(candidate, before, update)
            before.copy_(values)
        return values


def _pointwise(weights: Weights, name: str, channels: int, factor: Tensor) -> Tensor:
    """A 1 × 1 convolution as a matrix (inputs, outputs), times a factor per output."""
    return (weights.take(name, channels, channels, 1, 1)[:, :, 0, 0] * factor[:, None]).t()


def _times(maps: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    batch, size, channels = maps.shape
    return torch.addmm(offset, maps.view(batch * size, channels), matrix).view(batch, size, -1)
