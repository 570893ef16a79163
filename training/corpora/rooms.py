# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute impulse responses of box-shaped rooms by the image-source method. float32 ``[samples]`` at 16 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .clips import SAMPLE_RATE

SPEED_OF_SOUND = 343.0
"""Metres a second, in air of 20 degrees."""


def box_response(
    room: ArrayLike, source: ArrayLike, microphone: ArrayLike, reflection: ArrayLike, seconds: float
) -> NDArray[np.float32]:
    """Compute the response from ``source`` to ``microphone``, with a direct path of 1 at sample 0 (Allen & Berkley 1979).

    ``room``, ``source`` and ``microphone`` are metres along x, y and z; ``reflection`` is the share of the pressure that a
    wall reflects, one number or ``[2, 3]``: the walls at 0 and those opposite, by axis.
    """
    room, source, microphone = (np.asarray(each, np.float64) for each in (room, source, microphone))
    logarithm = np.log(np.maximum(np.broadcast_to(reflection, (2, 3)), 1e-6))
    reach = int(np.ceil(SPEED_OF_SOUND * seconds / np.min(room) / 2)) + 1
    cells = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    direct = float(np.linalg.norm(source - microphone))
    response = np.zeros(round(seconds * SAMPLE_RATE))
    # Most mirror cells are too far to be heard in time, so they are dropped before anything is computed.
    reached = SPEED_OF_SOUND * seconds + direct + 2 * float(np.linalg.norm(room))
    cells = cells[np.sum(np.square(2 * cells * room), axis=1) <= reached**2]
    for mirror in np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3):
        distance = np.linalg.norm((1 - 2 * mirror) * source + 2 * cells * room - microphone, axis=1)
        loss = np.abs(cells - mirror) @ logarithm[0] + np.abs(cells) @ logarithm[1]
        delay = np.rint((distance - direct) / SPEED_OF_SOUND * SAMPLE_RATE).astype(np.int64)
        heard = delay < len(response)
        np.add.at(response, delay[heard], np.exp(loss[heard]) * direct / distance[heard])
    return response.astype(np.float32)


def random_box(random: np.random.Generator) -> NDArray[np.float32]:
    """Draw a room from a closet to an office, a talker and a microphone 0.3 to 3 m away, walls from padded to bare."""
    room = random.uniform((2.0, 1.8, 2.1), (8.0, 6.0, 3.5))
    while True:
        source, microphone = (random.uniform(0.25, room - 0.25) for _ in range(2))
        if 0.3 <= np.linalg.norm(source - microphone) <= 3.0:
            break
    absorption = np.clip(np.exp(random.uniform(np.log(0.15), np.log(0.7))) * random.uniform(0.5, 1.5, (2, 3)), 0.03, 0.95)
    return box_response(room, source, microphone, np.sqrt(1.0 - absorption), 0.5)
