"""The network: features of one frame in, gains and filter coefficients of one frame out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from server.inference.deepfilter.config import ModelConfig
from server.inference.deepfilter.layers import (
    Convolution,
    GroupedLinear,
    InputConvolution,
    MaskOutput,
    Pathway,
    RecurrentLayers,
    TimeConvolution,
    TransposedConvolution,
)
from server.inference.deepfilter.state import State
from server.inference.deepfilter.weights import Weights


class Squeezed(nn.Module):
    """Recurrent layers between two grouped matrices.

    `skip` leads the values around the recurrent layers, after the first matrix and before the second.
    """

    def __init__(
        self, weights: Weights, name: str, inputs: int, size: int, outputs: int | None, layers: int, skip: bool
    ) -> None:
        super().__init__()
        self.skip = skip
        self.entry = GroupedLinear(weights, f"{name}.linear_in.0", inputs, size)
        self.recurrent = RecurrentLayers(weights, f"{name}.gru", size, layers)
        self.exit = None if outputs is None else GroupedLinear(weights, f"{name}.linear_out.0", size, outputs)

    def forward(self, values: Tensor, hidden: Tensor) -> Tensor:
        """(batch, inputs) → (batch, outputs or size); `hidden` (batch, layers, size) moves on."""
        entered: Tensor = self.entry(values).relu_()
        result: Tensor = self.recurrent(entered, hidden)
        if self.skip:
            result = result + entered
        return result if self.exit is None else self.exit(result).relu_()


class Encoder(nn.Module):
    """What both decoders build on."""

    def __init__(self, weights: Weights, config: ModelConfig, channels: int, size: int) -> None:
        super().__init__()
        narrow = channels * config.bands // 4
        self.bands0 = InputConvolution(weights, "enc.erb_conv0", 1, channels)
        self.bands1 = Convolution(weights, "enc.erb_conv1", channels, 2)
        self.bands2 = Convolution(weights, "enc.erb_conv2", channels, 2)
        self.bands3 = Convolution(weights, "enc.erb_conv3", channels, 1)
        self.bins0 = InputConvolution(weights, "enc.df_conv0", 2, channels)
        self.bins1 = Convolution(weights, "enc.df_conv1", channels, 2)
        self.bins2 = GroupedLinear(weights, "enc.df_fc_emb.0", channels * config.filter_bins // 2, narrow)
        self.concatenates = config.filters_masked
        inputs = 2 * narrow if self.concatenates else narrow
        outputs = None if config.filters_masked else narrow
        self.embedding = Squeezed(weights, "enc.emb_gru", inputs, size, outputs, 1, skip=False)

    def forward(self, bands: Tensor, bins: Tensor, hidden: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Features (batch, 3, bands, 1) and (batch, 3, bins, 2) → maps of the bands, map of the bins, embedding."""
        maps = [self.bands0(bands)]
        for layer in (self.bands1, self.bands2, self.bands3):
            maps.append(layer(maps[-1]))
        low: Tensor = self.bins0(bins)
        narrow = self.bins2(self.bins1(low).flatten(1)).relu_()
        wide = maps[-1].flatten(1)
        joined = torch.cat((wide, narrow), 1) if self.concatenates else narrow.add_(wide)
        return maps, low, self.embedding(joined, hidden)


class MaskDecoder(nn.Module):
    """Embedding → a gain per band."""

    def __init__(self, weights: Weights, config: ModelConfig, channels: int, size: int, layers: int) -> None:
        super().__init__()
        narrow = channels * config.bands // 4
        inputs = size if config.filters_masked else narrow
        self.embedding = Squeezed(weights, "erb_dec.emb_gru", inputs, size, narrow, layers, skip=config.filters_masked)
        self.pathways = nn.ModuleList(Pathway(weights, f"erb_dec.conv{level}p", channels) for level in range(4))
        self.level3 = Convolution(weights, "erb_dec.convt3", channels, 1)
        self.level2 = TransposedConvolution(weights, "erb_dec.convt2", channels)
        self.level1 = TransposedConvolution(weights, "erb_dec.convt1", channels)
        self.level0 = MaskOutput(weights, "erb_dec.conv0_out", channels)

    def forward(self, maps: list[Tensor], embedding: Tensor, hidden: Tensor) -> Tensor:
        """→ (batch, bands), in [0, 1]."""
        value: Tensor = self.embedding(embedding, hidden).view(maps[3].shape)
        for level, layer in ((3, self.level3), (2, self.level2), (1, self.level1), (0, self.level0)):
            value = layer(self.pathways[level](maps[level], value))
        return value


class FilterDecoder(nn.Module):
    """Embedding → complex filter coefficients of the lowest bins."""

    def __init__(self, weights: Weights, config: ModelConfig, channels: int, size: int, layers: int) -> None:
        super().__init__()
        outputs = 2 * config.order
        inputs = size if config.filters_masked else channels * config.bands // 4
        self.path = TimeConvolution(weights, "df_dec.df_convp", channels, outputs)
        self.embedding = Squeezed(weights, "df_dec.df_gru", inputs, size, None, layers, skip=config.filters_masked)
        skips = "df_dec.df_skip.weight" in weights
        self.skip = GroupedLinear(weights, "df_dec.df_skip", inputs, size) if skips else None
        self.out = GroupedLinear(weights, "df_dec.df_out.0", size, outputs * config.filter_bins)

    def forward(self, low: Tensor, embedding: Tensor, hidden: Tensor, sums: Tensor) -> Tensor:
        """→ (batch, bins, order · 2), real and imaginary parts in turn."""
        value = self.embedding(embedding, hidden)
        if self.skip is not None:
            value = value + self.skip(embedding)
        path: Tensor = self.path(low, sums)
        coefficients: Tensor = self.out(value).tanh_().view(path.shape).add_(path)
        return coefficients


class Network(nn.Module):
    """DeepFilterNet 2 or 3, one frame a call, any number of streams."""

    def __init__(self, weights: Weights, config: ModelConfig) -> None:
        super().__init__()
        self.channels = weights.take("enc.erb_conv1.0.weight", None, 1, 1, 3).shape[0]
        self.size = weights.take("enc.emb_gru.gru.weight_hh_l0", None, None).shape[1]
        self.encoder = Encoder(weights, config, self.channels, self.size)
        mask_layers = _layers(weights, "erb_dec.emb_gru.gru")
        filter_layers = _layers(weights, "df_dec.df_gru.gru")
        self.split = [1, mask_layers, filter_layers]
        self.mask = MaskDecoder(weights, config, self.channels, self.size, mask_layers)
        self.filter = FilterDecoder(weights, config, self.channels, self.size, filter_layers)
        self.eval()

    def forward(self, bands: Tensor, bins: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Features of three frames, (batch, 3, bands, 1) and (batch, 3, bins, 2), the newest last.

        → gains (batch, bands) and coefficients (batch, bins, order · 2). The state's hidden values move on.
        """
        of_encoder, of_mask, of_filter = torch.split(state["hidden"], self.split, 1)
        maps, low, embedding = self.encoder(bands, bins, of_encoder)
        gains = self.mask(maps, embedding, of_mask)
        coefficients = self.filter(low, embedding, of_filter, state["pathway"])
        return gains, coefficients


def _layers(weights: Weights, name: str) -> int:
    count = 0
    while f"{name}.weight_hh_l{count}" in weights:
        count += 1
    return count
