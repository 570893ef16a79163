# SPDX-License-Identifier: GPL-3.0-or-later
"""A take that is drawn: a learned model whose every seed is another performance, through the artist's keys."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..animation.life.events import SEEDS
from ..animation.overview import find_peaks
from ..inference.diffusion import Pin, Variation
from ..inference.generate import generate_drawn
from .models import describe_package, open_drawing, open_model
from .settings import TakeSettings
from .sources import CancelCheck, Description, Heard, Progress, Sound, Source, SpeechModel

_ROLLS = {
    "eyes": "gaze", "brows": "brows", "head": "head", "cheeks": "face", "nose": "face",
    "jaw": "mouth", "lips": "mouth", "tongue": "mouth",
}  # fmt: skip


@dataclass(frozen=True)
class DrawnModel:
    """A model that draws takes, with the ``variation`` to draw."""

    model: SpeechModel
    variation: Variation

    @property
    def sound(self) -> Sound:
        """The sound that it hears."""
        return self.model.sound

    def describe(self) -> Description:
        """Describe the package. Raises ModelError."""
        return self.model.describe()

    def key(self) -> tuple[object, ...]:
        """Return everything that the channels depend on."""
        variation = self.variation
        seeds = tuple(sorted(variation.region_seeds.items()))
        numbers = (variation.seed, seeds, variation.sound_guidance, variation.style_guidance)
        styles = tuple(sorted(variation.styles.items()))
        return ("drawn", *self.model.key(), *numbers, styles, variation.spread, variation.steps, variation.pins)

    def with_pins(self, pins: tuple[Pin, ...]) -> DrawnModel:
        """Return the same source with poses that every take passes through."""
        return replace(self, variation=replace(self.variation, pins=pins))

    def produce(self, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
        """Run the model over the sound and draw the take."""
        speech = self.model
        model = open_model(speech.folder, speech.provider, speech.threads)
        drawer = open_drawing(speech.folder, speech.threads)
        package = model.package
        advance(0.05)
        waveform = speech.sound.open(package.sample_rate)
        rows = -(-waveform.samples.size // package.hop)
        made = generate_drawn(
            model,
            drawer,
            waveform,
            speech.emotion.of_rows(package.emotions, rows, package.frame_rate),
            self.variation,
            start_seconds=speech.sound.offset_seconds,
            on_progress=lambda fraction: advance(0.1 + 0.85 * fraction),
            is_cancelled=is_cancelled,
        )
        return Heard(
            made.curves,
            waveform.duration_seconds,
            speech.sound.digest(),
            model.provider,
            (*waveform.warnings, *((model.warning,) if model.warning else ())),
            find_peaks(waveform.samples, waveform.sample_rate),
            None,
            made.keys,
            made.timed_phones(),
            likelihood=None if made.phones is None else replace(made.phones, start_seconds=0.0),
        )


def make_drawn(source: Source, settings: TakeSettings) -> Source:
    """Return a source that draws the take of the settings, where the model can draw. Raises ModelError."""
    if not isinstance(source, SpeechModel) or describe_package(source.folder).drawing is None:
        return source
    return DrawnModel(source, make_variation(settings))


def make_variation(settings: TakeSettings) -> Variation:
    """Return the variation that the settings of a take ask for. Raises ModelError."""
    seeds = {
        region: (settings.life_seed + int(getattr(settings, f"life_{part}_roll"))) % SEEDS for region, part in _ROLLS.items()
    }
    return Variation(
        settings.life_seed,
        {region: seed for region, seed in seeds.items() if seed != settings.life_seed},
        settings.sound_guidance,
        settings.style_guidance,
        {name: value for name, value in (("size", settings.style_size), ("speed", settings.style_speed)) if value},
        settings.take_spread,
        settings.draw_steps,
    )
