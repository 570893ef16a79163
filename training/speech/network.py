# SPDX-License-Identifier: GPL-3.0-or-later
"""The speech network: raw waveform in, phones and face channels out, a finite context around every frame.

Everything in the shipped graph is a module here, so that the trained network is the one that runs: log-mel features
computed from the waveform, a two-sided dilated convolution trunk, heads for phones, contacts and channels, and the
expression rules of ``animation/face/expression.py`` as tensor operations.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...animation.face import lips
from ...animation.face.phones import PHONES, TONGUE_CONSONANTS, VOWELS

SAMPLE_RATE = 16_000
HOP = 320
FRAME_RATE = SAMPLE_RATE / HOP
_SPECTRUM_HOP = HOP // 2
_WINDOW = 400
_FFT = 512
_FLOOR = 1e-7
"""Power under the quietest 16-bit noise; keeps the logarithm of digital silence finite."""


@dataclass(frozen=True)
class NetworkSize:
    """Everything needed to rebuild the network from its weights."""

    phones: int
    channels: int
    width: int = 160
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)
    mel_bands: int = 64
    local_mean_seconds: float = 1.0
    dropout: float = 0.05

    def as_dict(self) -> dict[str, object]:
        """Convert to plain values for a checkpoint."""
        return asdict(self)


def mel_filters(bands: int, warp: float = 1.0, low_hz: float = 40.0, high_hz: float = 7900.0) -> np.ndarray:
    """Make triangular mel filters ``[spectrum bins, bands]`` (O'Shaughnessy's mel: 2595 log10(1 + f/700)).

    ``warp`` multiplies the frequencies of the filters: a vocal tract of another length (VTLP, Jaitly & Hinton 2013).
    """

    def mel(hz: float | np.ndarray) -> np.ndarray:
        return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)

    edges = 700.0 * (10.0 ** (np.linspace(mel(low_hz), mel(high_hz), bands + 2) / 2595.0) - 1.0)
    edges = np.minimum(edges * warp, SAMPLE_RATE / 2 - 1.0)
    bins = np.arange(_FFT // 2 + 1) * SAMPLE_RATE / _FFT
    rising = (bins[:, None] - edges[None, :-2]) / np.maximum(edges[1:-1] - edges[:-2], 1.0)
    falling = (edges[None, 2:] - bins[:, None]) / np.maximum(edges[2:] - edges[1:-1], 1.0)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    return (filters / np.maximum(filters.sum(0, keepdims=True), 1e-6)).astype(np.float32)


class SpeechFeatures(nn.Module):
    """Log-mel energies at 100 Hz, once unchanged and once without their local mean (level and channel removed).

    ``[batch, samples]`` -> ``[batch, 2 * bands, samples / 160]``. In the graph the spectrum is a convolution with a
    windowed Fourier basis, which every runtime has; in training it is the same spectrum by FFT, five times faster.
    """

    def __init__(self, bands: int, local_mean_seconds: float) -> None:
        super().__init__()
        half_window = np.hanning(_WINDOW + 1)[:_WINDOW]
        phase = 2.0 * math.pi * np.arange(_FFT // 2 + 1)[:, None] * np.arange(_WINDOW)[None, :] / _FFT
        basis = np.concatenate([np.cos(phase), -np.sin(phase)]) * half_window
        self.register_buffer("basis", torch.tensor(basis[:, None, :], dtype=torch.float32), persistent=False)
        self.register_buffer("window", torch.tensor(half_window, dtype=torch.float32), persistent=False)
        self.register_buffer("filters", torch.tensor(mel_filters(bands)), persistent=False)
        self.reach = round(local_mean_seconds * SAMPLE_RATE / _SPECTRUM_HOP)

    def forward(self, waveform: Tensor, filters: Tensor | None = None) -> Tensor:
        """Compute features.

        ``filters`` ``[batch, bins, bands]`` replace the mel filters during training (vocal tract warps).
        """
        padded = functional.pad(waveform, (_WINDOW // 2, _WINDOW // 2 - _SPECTRUM_HOP))
        if self.training:
            frames = padded.unfold(1, _WINDOW, _SPECTRUM_HOP) * self.window
            power = torch.fft.rfft(frames, n=_FFT).abs().square()
        else:
            spectrum = functional.conv1d(padded[:, None, :], self.basis, stride=_SPECTRUM_HOP)
            real, imaginary = spectrum.chunk(2, dim=1)
            power = (real * real + imaginary * imaginary).transpose(1, 2)
        mel = torch.matmul(power, self.filters if filters is None else filters)
        level = (torch.log(mel + _FLOOR) * 0.25).transpose(1, 2)
        local_mean = functional.avg_pool1d(
            functional.pad(level, (self.reach, self.reach), value=math.log(_FLOOR) * 0.25), 2 * self.reach + 1, stride=1
        )
        return torch.cat([level + 2.0, level - local_mean], dim=1)


class DilatedBlock(nn.Module):
    """A residual block that sees ``dilation`` frames to both sides. 2-d convolutions of height 1 are faster on CPUs."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.spread = nn.Conv2d(width, width, (1, 3), padding=(0, dilation), dilation=(1, dilation), bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.mix = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, value: Tensor) -> Tensor:
        return value + self.mix(self.dropout(torch.relu(self.norm(self.spread(value)))))


@dataclass(frozen=True)
class Prediction:
    """The network's output for every frame; all ``[batch, frame, ...]``."""

    features: Tensor
    phone_logits: Tensor
    contact_logits: Tensor
    channels: Tensor


class SpeechNetwork(nn.Module):
    """Waveform ``[batch, samples]`` (a multiple of 320) -> :class:`Prediction` at 50 frames a second."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.size = size
        self.speech_features = SpeechFeatures(size.mel_bands, size.local_mean_seconds)
        self.stem = nn.Conv2d(2 * size.mel_bands, size.width, (1, 6), stride=(1, 2))
        self.trunk = nn.Sequential(*[DilatedBlock(size.width, dilation, size.dropout) for dilation in size.dilations])
        self.last = nn.Sequential(nn.BatchNorm2d(size.width), nn.ReLU(), nn.Conv2d(size.width, size.width, 1), nn.ReLU())
        self.phone_head = nn.Conv2d(size.width, size.phones, 1)
        self.contact_head = nn.Conv2d(size.width, 2, 1)
        """Lips sealed; lower lip on the upper teeth."""
        self.channel_head = nn.Conv2d(size.width, size.channels, (1, 3), padding=(0, 1))

    @property
    def context_seconds(self) -> float:
        """How far to each side a frame can hear."""
        frames = sum(self.size.dilations) + 1
        return frames / FRAME_RATE + self.size.local_mean_seconds + 0.05

    def forward(self, waveform: Tensor, filters: Tensor | None = None) -> Prediction:
        heard = self.speech_features(waveform, filters).unsqueeze(2)
        # Frame i is centred on spectrum column 2i: taps 2i-2 .. 2i+3.
        value = self.stem(functional.pad(heard, (2, 2))).contiguous(memory_format=torch.channels_last)
        features = self.last(self.trunk(value))

        def rows(head: nn.Module) -> Tensor:
            return head(features).squeeze(2).transpose(1, 2)

        return Prediction(
            features=features.squeeze(2).transpose(1, 2),
            phone_logits=rows(self.phone_head),
            contact_logits=rows(self.contact_head),
            channels=rows(self.channel_head),
        )


@dataclass(frozen=True)
class ContactValues:
    """The numbers of the contact rules, chosen on training speakers (``choose_contacts``)."""

    threshold: tuple[float, float]
    certain: tuple[float, float]
    """Lips sealed, lower lip on teeth: where evidence starts to count and where it counts in full."""
    vowel_doubt: float
    """Share of a vowel's probability that counts against a seal."""
    apart_centimetres: float
    """The least gap of the lips in vowels and sounds of the tongue."""
    apart_likely: tuple[float, float]
    """Probability of a vowel or tongue sound from which the lips start to part, and at which they are apart."""
    margin: float = 0.05
    """Centimetres by which sealed lips are pressed together."""
    teeth_margin: float = 0.06
    """Centimetres by which a lip on the teeth is above their edge."""
    teeth_frames: int = 3
    """Frames of which the most likely one counts for teeth, which meet the lip only for a moment. A seal spread like that would
    reach into its vowels (measured: twice the false closures at the same recall)."""


class ContactRules(nn.Module):
    """Rules that complete likely contacts: they seal the lips for p, b, m and lift the lower lip to the teeth for f, v.

    A network that regresses channels averages over its uncertainty: lips stay ajar in a doubtful m, and almost close in a
    mumbled vowel. Phone evidence at a low threshold closes them (VisemeNet snaps its labials likewise, Zhou et al. 2018),
    and parts them. The evidence of a seal is the contact probability less ``vowel_doubt`` times that of a vowel, mapped
    from ``threshold``..``certain`` to 0..1, so that a seal ends where its vowel begins; where a vowel or a tongue sound is
    likely and a seal is not, the lips are at least ``apart_centimetres`` apart. All moves go along 'mouthClose' by just the
    amount that the formulas of ``animation/face/lips.py`` require, but a lip on the teeth stays there and the upper lip
    parts; channels that would part a seal yield. The chin rises in both contacts, but is not counted on: not every rig has
    one. What comes of it is smoothed once, at the end: evidence flickers, and every limit in these rules is a corner, but
    lips do not flicker and turn no corners. ``[batch, frame, learned]`` in and out.
    """

    WINDOW = (0.25, 0.5, 0.25)
    """Weights of the frames that are averaged at the end."""
    CHIN = (0.08, 0.05)
    """'mouthShrugLower' of sealed lips, and of a lip on the teeth: mentalis works in both."""

    def __init__(self, names: list[str], values: ContactValues) -> None:
        super().__init__()
        self.values = values

        def column(weights: dict[str, float] | np.ndarray) -> Tensor:
            if isinstance(weights, dict):
                weights = np.array([weights.get(name, 0.0) for name in names])
            return torch.tensor(weights, dtype=torch.float32)

        def phones(kind: frozenset[str]) -> Tensor:
            return torch.tensor([[float(phone in kind)] for phone in PHONES])

        self.register_buffer("gap", column(lips.channel_weights(lips.GAP_CENTIMETRES, names))[:, None])
        self.register_buffer("height", column(lips.channel_weights(lips.LOWER_LIP_CENTIMETRES, names))[:, None])
        self.register_buffer("close", column({"mouthClose": 1.0}))
        self.register_buffer("chin", column({"mouthShrugLower": 1.0}))
        upper = ("mouthUpperUpLeft", "mouthUpperUpRight")
        self.register_buffer(
            "upper_up", column({name: 1.0 / sum(lips.GAP_CENTIMETRES[lip] for lip in upper) for name in upper})
        )
        part = {"mouthLowerDownLeft": 0.9, "mouthLowerDownRight": 0.9, "mouthUpperUpLeft": 0.9, "mouthUpperUpRight": 0.9}
        self.register_buffer("sealed_keeps", 1.0 - column(part | {"mouthFunnel": 0.6, "mouthShrugUpper": 0.9}))
        teeth = {"mouthLowerDownLeft": 0.9, "mouthLowerDownRight": 0.9, "mouthFunnel": 0.8}
        self.register_buffer("teeth_keeps", 1.0 - column(teeth))
        self.register_buffer("vowels", phones(VOWELS))
        self.register_buffer("open_sounds", phones(VOWELS | TONGUE_CONSONANTS))
        self.register_buffer("window", torch.tensor(self.WINDOW).expand(len(names), 1, -1).contiguous())
        self.register_buffer("threshold", torch.tensor(values.threshold))
        self.register_buffer("span", torch.tensor(values.certain) - torch.tensor(values.threshold))
        self.lip_height = lips.TEETH_HEIGHT_CENTIMETRES + values.teeth_margin
        self.gap_per_close = -lips.GAP_CENTIMETRES["mouthClose"]
        self.height_per_close = lips.LOWER_LIP_CENTIMETRES["mouthClose"]

    @property
    def context_seconds(self) -> float:
        """How far to each side of a frame the evidence matters."""
        return (self.values.teeth_frames // 2 + len(self.WINDOW) // 2) / FRAME_RATE

    def forward(self, channels: Tensor, contact_logits: Tensor, phones: Tensor) -> Tensor:
        """Apply the rules; ``phones`` are probabilities ``[batch, frame, phone]``."""
        values = self.values
        likely = torch.sigmoid(contact_logits)
        seal_likely = likely[..., :1] - values.vowel_doubt * (phones @ self.vowels)
        teeth_likely = functional.max_pool1d(
            likely[..., 1:].transpose(1, 2), values.teeth_frames, stride=1, padding=values.teeth_frames // 2
        ).transpose(1, 2)
        sure = ((torch.cat([seal_likely, teeth_likely], dim=2) - self.threshold) / self.span).clamp(0.0, 1.0)
        sealed, teeth = sure[..., :1], sure[..., 1:]
        channels = channels * (1.0 - teeth * (1.0 - self.teeth_keeps))
        lift = (self.lip_height - channels @ self.height).clamp(min=0.0) / self.height_per_close
        channels = channels + teeth * lift * self.close

        begin, end = values.apart_likely
        apart = ((phones @ self.open_sounds - begin) / (end - begin)).clamp(0.0, 1.0) * (1.0 - sealed)
        short = (values.apart_centimetres * apart - channels @ self.gap).clamp(min=0.0)
        channels = channels - short * (1.0 - teeth) / self.gap_per_close * self.close + short * teeth * self.upper_up

        channels = channels * (1.0 - sealed * (1.0 - self.sealed_keeps))
        lift = (channels @ self.gap + values.margin).clamp(min=0.0) / self.gap_per_close
        channels = channels + sealed * lift * self.close
        channels = channels + (self.CHIN[0] * sealed + self.CHIN[1] * teeth * (1.0 - sealed)) * self.chin
        reach = len(self.WINDOW) // 2
        padded = functional.pad(channels.transpose(1, 2), (reach, reach), mode="replicate")
        return functional.conv1d(padded, self.window, groups=self.window.shape[0]).transpose(1, 2)


class RestRules(nn.Module):
    """Rules that rest the face where nobody speaks: noise and music move a regression slightly, and a still face must not
    twitch.

    Channels go to ``rest`` where speech (all phones but silence) is never likely for 0.1 s in a row within 0.4 s to either
    side; the lips' way into and out of a pause is unchanged. ``[batch, frame, learned]`` in and out.
    """

    SPEAKS = (0.55, 0.8)
    """Mean probability of speech below which the face rests, and from which it moves."""
    SUSTAINED, NEAR, SOFT = 5, 41, 9
    """Frames: speech is averaged over the first, the maximum of the second counts, the third rounds the edges."""

    def __init__(self, rest: list[float]) -> None:
        super().__init__()
        self.register_buffer("rest", torch.tensor(rest))

    @property
    def context_seconds(self) -> float:
        """How far to each side of a frame the phones matter."""
        return (self.SUSTAINED // 2 + self.NEAR // 2 + self.SOFT // 2) / FRAME_RATE

    def forward(self, channels: Tensor, phones: Tensor) -> Tensor:
        """Apply the rules; ``phones`` are probabilities ``[batch, frame, phone]``, silence first."""

        def mean(value: Tensor, frames: int) -> Tensor:
            return functional.avg_pool1d(value, frames, stride=1, padding=frames // 2, count_include_pad=False)

        speech = mean(1.0 - phones[..., :1].transpose(1, 2), self.SUSTAINED)
        speech = functional.max_pool1d(speech, self.NEAR, stride=1, padding=self.NEAR // 2)
        begin, end = self.SPEAKS
        moves = mean(((speech - begin) / (end - begin)).clamp(0.0, 1.0), self.SOFT).transpose(1, 2)
        return self.rest + (channels - self.rest) * moves
