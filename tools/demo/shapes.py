# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo face's 52 ARKit shapes, as displacements of the neutral surface. No Blender.

Lips, jaw and lids are moved exactly; the skin around them follows by a biharmonic solve, so that it stretches
smoothly. Brows, cheeks and nose move by soft fields that slide over the form. Amplitudes are centimetres at 1; the lips
open as scanned ARKit shapes do (see ``animation.face.lips``), and round about three times as strongly, as suits a drawn face.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .sculpt import EYE, JAW_HINGE, MOUTH, Points, head_distance, head_normals
from .skin import SkinSolver
from .topology import LID_LOOPS, Floats, Loops, Surface, eye_points, lid_angles

Mask = NDArray[np.bool_]

ARKIT_NAMES = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft",
    "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft",
    "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft",
    "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip

JAW_OPEN_DEGREES = 18.0
CLOSE_PER_JAW = 2.89 / 3.72
"""How much mouthClose seals a jaw opened by 1: the ratio in the lips' gap formula of scanned ARKit shapes."""
CORNER_FOLLOWS_JAW = 0.42
UPPER_LIP_RISES = 0.04
SEALED_FOLLOWS_JAW = 0.17


def smooth_step(value: Floats, low: float, high: float) -> Floats:
    """Ease from 0 below ``low`` to 1 above ``high``; ``low`` may be the larger."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def left_share(x: Floats, width: float) -> Floats:
    """Return the weight of the character's left side, 0.5 on the middle line; left + right = 1."""
    return smooth_step(x, -width, width)


def rotate_about_hinge(points: Points, degrees: float) -> Points:
    """Compute the displacement of ``points`` when the jaw opens by ``degrees``."""
    offset = points - JAW_HINGE
    angle = np.radians(degrees)
    y = np.cos(angle) * offset[:, 1] - np.sin(angle) * offset[:, 2]
    z = np.sin(angle) * offset[:, 1] + np.cos(angle) * offset[:, 2]
    return np.stack([offset[:, 0], y, z], axis=-1) - offset


class FaceShapes:
    """The shapes of one neutral surface."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.p = surface.positions
        self.solver = SkinSolver(surface.positions, surface.faces)
        mouth = surface.mouth
        first = mouth.first("border_outer")
        bag = mouth.first("bag_gum")
        self.lip_vertices = mouth.vertices[first:bag].ravel()
        angle = np.tile(mouth.angles(), bag - first)
        self.cosine = np.cos(angle)
        self.off_corner = np.abs(np.sin(angle))
        self.upper = np.sin(angle) >= -1e-9
        self.depth = np.repeat([0.0, 0.12, 0.3, 0.5, 0.75, 1.0, 1.08, 1.15, 1.2], mouth.around)
        self.eye_vertices = np.concatenate([eye.vertices[1:].ravel() for eye in (surface.eye_left, surface.eye_right)])
        self.bag_vertices = mouth.vertices[bag:].ravel()
        self.jaw_weight = self._jaw_weights()

    # Jaw

    def lip_jaw_weights(self) -> Floats:
        """Weigh how far each lip vertex follows the jaw: corners in between, the opening a rounded lens."""
        lens = self.off_corner**0.75
        c = CORNER_FOLLOWS_JAW
        return np.where(self.upper, c * (1.0 - lens) - UPPER_LIP_RISES * lens, c + (1.0 - c) * lens)

    def lip_seal_weights(self) -> Floats:
        """Return the share of the jaw's way at which both lips meet when mouthClose seals them."""
        return CORNER_FOLLOWS_JAW + (SEALED_FOLLOWS_JAW - CORNER_FOLLOWS_JAW) * self.off_corner**0.75

    def _jaw_weights(self) -> Floats:
        p = self.p
        held = (p[:, 2] > -2.4) | (p[:, 1] > 1.2) | (p[:, 2] < -11.5)
        held |= (p[:, 2] > -3.7) & (np.abs(p[:, 0]) < 1.7) & (p[:, 1] < -6.0)
        values = np.zeros((len(p), 1))
        chin = (p[:, 2] < -6.9) & (p[:, 2] > -9.6) & (p[:, 1] < -4.5) & (np.abs(p[:, 0]) < 2.4)
        held[chin] = True
        values[chin] = 1.0
        held[self.lip_vertices] = True
        values[self.lip_vertices, 0] = self.lip_jaw_weights()
        mouth = self.surface.mouth
        sine = np.sin(mouth.angles())
        for name in ("bag_gum", "bag_middle", "bag_deep", "bag_end"):
            loop = mouth.loop(name)
            held[loop] = True
            values[loop, 0] = 0.5 - 0.5 * np.sign(sine) * np.abs(sine) ** 0.5
        values[mouth.loop("bag_end"), 0] = 0.3 - 0.3 * np.sign(sine) * np.abs(sine) ** 0.5
        held[self.eye_vertices] = True
        weights = np.clip(self.solver.spread(held, values)[:, 0], -UPPER_LIP_RISES, 1.0)
        weights[self.eye_vertices] = 0.0
        return weights

    def jaw_open(self) -> Points:
        motion = rotate_about_hinge(self.p, JAW_OPEN_DEGREES) * self.jaw_weight[:, None]
        lips = np.zeros_like(self.p)
        lips[self.lip_vertices, 0] = -0.12 * np.sign(self.cosine) * np.abs(self.cosine) ** 3
        return motion + self._with_lips(lips[self.lip_vertices])

    def mouth_close(self) -> Points:
        jaw = rotate_about_hinge(self.p[self.lip_vertices], JAW_OPEN_DEGREES)
        fade = np.interp(self.depth, [0.0, 0.3], [0.85, 1.0])
        return self._with_lips(jaw * ((self.lip_seal_weights() - self.lip_jaw_weights()) * fade / CLOSE_PER_JAW)[:, None])

    # Lips

    def _lip_free(self, reach: float = 5.2) -> Mask:
        p = self.p
        offset = (p - [0.0, -8.0, MOUTH.height]) / [1.25, 1.0, 1.0]
        free = (np.linalg.norm(offset, axis=1) < reach) & (p[:, 2] < -1.9)
        free &= ~((p[:, 2] > -3.75) & (np.abs(p[:, 0]) < 1.6))
        free &= ~((p[:, 2] < -7.6) & (np.abs(p[:, 0]) < 2.0))
        free[self.bag_vertices] = False
        free[self.eye_vertices] = False
        return free

    def _with_lips(self, motion: Points, more: list[tuple[Mask, Points]] | None = None) -> Points:
        """Move lip vertices by ``motion`` ``[lip vertex, 3]``, with the surrounding skin following."""
        held = ~self._lip_free()
        values = np.zeros_like(self.p)
        for mask, moved in more or ():
            held |= mask
            values[mask] = moved[mask]
        held[self.lip_vertices] = True
        values[self.lip_vertices] = motion
        return self.solver.spread(held, values)

    def _lips(self, function: Callable[[Floats, Floats, Floats, Floats, Mask], tuple[Floats, Floats, Floats]]) -> Points:
        """Make a shape from ``function(cosine, side, off_corner, depth, upper) -> x, forward, up`` over the lip vertices."""
        side = np.sign(self.cosine)
        x, forward, up = function(self.cosine, side, self.off_corner, self.depth, self.upper)
        return self._with_lips(np.stack(np.broadcast_arrays(x, -np.asarray(forward), up), axis=-1).astype(np.float64))

    def funnel(self) -> Points:
        def move(c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            forward = (0.45 + 0.65 * np.minimum(q, 1.0)) * (0.45 + 0.55 * s)
            rise = np.where(up, 0.34, -0.86) * s**0.75 * np.interp(q, [0, 0.5, 1], [0.75, 0.95, 1.0])
            return -0.55 * c * np.interp(q, [0, 1], [0.8, 1.1]), forward, rise - 0.15 * c**2

        return self._lips(move)

    def pucker(self) -> Points:
        def move(c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            forward = (0.55 + 0.40 * np.minimum(q, 1.0)) * (0.55 + 0.45 * s)
            thicker = np.where(up, 1.0, -1.0) * s * np.interp(q, [0, 0.12, 0.75, 1.0], [0.10, 0.12, 0.0, -0.03])
            return -1.15 * c, forward, thicker - 0.26 * c**2

        return self._lips(move)

    def roll_lower(self) -> Points:
        def move(_c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            lower = np.where(up, 0.0, 1.0) * s**0.6
            rise = lower * np.interp(q, [0, 0.12, 0.3, 0.5, 0.75, 1.0, 1.2], [0.28, 0.42, 0.42, 0.34, 0.16, -0.06, -0.10])
            back = lower * np.interp(q, [0, 0.12, 0.3, 0.5, 0.75, 1.0, 1.2], [0.18, 0.30, 0.45, 0.52, 0.45, 0.32, 0.10])
            return 0.0 * q, -back, rise

        return self._lips(move)

    def roll_upper(self) -> Points:
        def move(_c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            upper = np.where(up, 1.0, 0.0) * s**0.6
            fall = upper * np.interp(q, [0, 0.12, 0.3, 0.5, 0.75, 1.0, 1.2], [0.22, 0.30, 0.30, 0.22, 0.10, 0.0, 0.0])
            back = upper * np.interp(q, [0, 0.12, 0.3, 0.5, 0.75, 1.0, 1.2], [0.15, 0.28, 0.42, 0.50, 0.44, 0.32, 0.10])
            return 0.0 * q, -back, -fall

        return self._lips(move)

    def shrug_lower(self) -> Points:
        p = self.p
        chin = np.exp(-(np.sum(((p - [0.0, -8.2, -7.7]) / [1.7, 2.5, 1.1]) ** 2, axis=1)))
        s, q, up = self.off_corner, self.depth, self.upper
        lower_forward = np.interp(q, [0, 0.5, 1.0, 1.2], [0.15, 0.32, 0.30, 0.10])
        forward = np.where(up, 0.18, lower_forward) * s**0.8
        rise = np.where(up, 0.22, np.interp(q, [0, 0.5, 1.0], [0.42, 0.60, 0.62])) * s**0.6 - 0.10 * (1 - s)
        lips = self._with_lips(np.stack([0.0 * s, -forward, rise], axis=-1))
        lips_mask = np.ones(len(p))
        lips_mask[self.lip_vertices] = 0.0
        lips_mask[self.bag_vertices] = 0.0
        return lips + (chin * lips_mask)[:, None] * [0.0, -0.22, 0.42]

    def shrug_upper(self) -> Points:
        def move(_c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            upper = np.where(up, 1.0, 0.0) * s**0.7
            return (
                0.0 * q,
                upper * np.interp(q, [0, 0.5, 1.0], [0.18, 0.28, 0.15]),
                upper * np.interp(q, [0, 0.5, 1.0], [0.34, 0.44, 0.48]),
            )

        return self._lips(move)

    def lower_down(self) -> Points:
        def move(_c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            lower = np.where(up, 0.0, 1.0) * s**0.8
            return 0.0 * q, lower * 0.10, -lower * np.interp(q, [0, 0.5, 1.0], [0.52, 0.66, 0.72])

        return self._lips(move)

    def upper_up(self) -> Points:
        def move(_c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            upper = np.where(up, 1.0, 0.0) * s**0.8
            return 0.0 * q, upper * 0.06, upper * np.interp(q, [0, 0.5, 1.0], [0.58, 0.72, 0.80])

        return self._lips(move)

    def _corners(self, out: float, forward: float, up: float, middle_up: float = 0.0, power: float = 2.0) -> Points:
        def move(c: Floats, side: Floats, s: Floats, _q: Floats, _up: Mask):
            corner = np.abs(c) ** power
            return out * side * np.abs(c), forward * corner, up * corner + middle_up * s

        return self._lips(move)

    def smile(self) -> Points:
        cheek = self._field([4.0, -7.0, -3.2], [2.0, 2.4, 1.5], 1.0)
        lips = self._corners(0.62, -0.45, 0.78, 0.04, 1.7)
        return lips + self._slide(cheek[:, None] * self._mirrored([0.18, -0.20, 0.42]), cheek)

    def frown(self) -> Points:
        return self._corners(0.12, -0.10, -0.70, 0.04, 2.6)

    def dimple(self) -> Points:
        return self._corners(0.22, -0.50, 0.10, 0.0, 2.4)

    def stretch(self) -> Points:
        return self._corners(0.52, -0.28, -0.16, 0.0, 1.6)

    def press(self) -> Points:
        def move(c: Floats, side: Floats, s: Floats, q: Floats, up: Mask):
            squeeze = np.interp(q, [0, 0.12, 0.3, 0.5, 0.75, 1.0], [0.10, 0.20, 0.20, 0.15, 0.07, 0.0]) * s**0.6
            back = np.interp(q, [0, 0.12, 0.5, 1.0], [0.02, 0.06, 0.20, 0.10]) * s**0.6
            return 0.10 * side * np.abs(c), -back, np.where(up, -squeeze, squeeze) + 0.08 * np.abs(c) ** 3

        return self._lips(move)

    def sideways(self) -> Points:
        """Move the whole mouth to the character's left."""

        def move(c: Floats, _side: Floats, s: Floats, _q: Floats, _up: Mask):
            return 0.85 + 0.0 * s, -0.10 - 0.22 * c, 0.10 * c

        return self._lips(move)

    def tongue_passage(self) -> Points:
        """Part the lips for the tongue."""

        def move(c: Floats, _side: Floats, s: Floats, q: Floats, up: Mask):
            opening = smooth_step(s, 0.25, 0.9)
            return 0.0 * c, 0.08 * opening, np.where(up, 0.16, -0.62) * opening * np.interp(q, [0, 1], [0.7, 1.0])

        return self._lips(move)

    # Soft fields

    def _field(self, centre: list[float], radii: list[float], reach: float) -> Floats:
        """Make a soft bump around ``centre`` and its mirror image, zero on lips, mouth and lids."""
        p = np.abs(self.p * [1, 0, 0]) + self.p * [0, 1, 1]
        weight = np.exp(-np.sum(((p - centre) / np.asarray(radii)) ** 2, axis=1) * reach)
        weight[self.lip_vertices] = 0.0
        weight[self.bag_vertices] = 0.0
        for eye in (self.surface.eye_left, self.surface.eye_right):
            for name, share in (("skin_inner", 0.8), ("fold_outer", 0.45), ("fold", 0.2)):
                weight[eye.loop(name)] *= share
            weight[eye.vertices[eye.first("lid_high") :].ravel()] = 0.0
        return weight

    def _mirrored(self, motion: list[float]) -> Points:
        """Mirror ``motion`` of the left half to the right."""
        return np.asarray(motion) * np.stack([np.sign(self.p[:, 0]), np.ones(len(self.p)), np.ones(len(self.p))], axis=-1)

    def _slide(self, motion: Points, weight: Floats) -> Points:
        """Bend ``motion`` so that skin on the form stays at its distance from it."""
        moving = weight > 0.004
        start = self.p[moving]
        goal = start + motion[moving]
        # Lifted back to the height above the form that the vertex had, never pressed deeper than by the motion itself.
        sunk = np.maximum(head_distance(start) - head_distance(goal), 0.0)
        result = np.zeros_like(self.p)
        result[moving] = goal + sunk[:, None] * head_normals(goal) - start
        return result

    def brow_inner_up(self) -> Points:
        w = self._field([0.9, -8.0, 3.2], [1.9, 3.0, 1.5], 1.0)
        w = np.minimum(w * 1.15, 1.0)
        return self._slide(w[:, None] * self._mirrored([-0.05, 0.0, 0.85]), w)

    def brow_outer_up(self) -> Points:
        w = self._field([4.4, -6.5, 3.1], [2.2, 3.0, 1.5], 1.0)
        return self._slide(w[:, None] * self._mirrored([0.05, 0.0, 0.85]), w)

    def brow_down(self) -> Points:
        w = np.maximum(
            self._field([1.4, -8.0, 3.0], [1.6, 3.0, 1.2], 1.0), 0.75 * self._field([3.4, -7.2, 3.1], [2.0, 3.0, 1.2], 1.0)
        )
        return self._slide(w[:, None] * self._mirrored([-0.34, -0.05, -0.92]), w)

    def cheek_puff(self) -> Points:
        w = self._field([4.1, -6.6, -5.2], [2.3, 3.2, 2.1], 1.0)
        lips = self._lips(lambda c, side, s, q, up: (0.0 * c, 0.22 * s, np.where(up, 0.05, -0.05) * s * (q < 0.6)))
        return lips + w[:, None] * self._mirrored([0.72, -0.55, 0.0])

    def cheek_squint(self) -> Points:
        w = self._field([3.6, -7.2, -2.9], [2.0, 2.6, 1.2], 1.0)
        return self._slide(w[:, None] * self._mirrored([0.0, -0.28, 0.50]), w) + self._lids(0.0, 7.0)

    def nose_sneer(self) -> Points:
        p = np.abs(self.p * [1, 0, 0]) + self.p * [0, 1, 1]
        wing = np.exp(-np.sum(((p - [1.15, -8.3, -2.5]) / [0.9, 1.3, 1.1]) ** 2, axis=1))
        wing[self.lip_vertices] = 0.0
        lips = self._lips(lambda c, side, s, q, up: (0.0 * c, 0.0 * c, np.where(up, 0.26, 0.0) * s**1.5))
        brow = self._field([1.0, -8.0, 2.9], [1.1, 3.0, 1.0], 1.0)
        return (
            lips + wing[:, None] * self._mirrored([0.10, -0.02, 0.36]) + brow[:, None] * self._mirrored([-0.10, -0.05, -0.22])
        )

    # Lids

    def _lid_loops(self, loops: Loops, mirror: bool, upper_motion: Floats | float, lower_motion: Floats | float) -> Points:
        """Turn both lids of one eye around the eyeball by degrees (positive: closing), with the surrounding skin following."""
        angle = loops.angles()
        cosine = np.cos(angle)
        azimuth, upper, lower = lid_angles(cosine)
        side_up = np.sin(angle) >= -1e-9
        values = np.zeros_like(self.p)
        held = np.ones(len(self.p), dtype=bool)
        for name in ("skin_outer", "skin_inner"):
            held[loops.loop(name)] = False
        for name, (_, _, _, _, share) in LID_LOOPS.items():
            loop = loops.loop(name)
            start = self.p[loop] * ([-1.0, 1.0, 1.0] if mirror else [1.0, 1.0, 1.0])
            offset = start - np.asarray(EYE.centre)
            radius = np.linalg.norm(offset, axis=1)
            turned_azimuth = np.degrees(np.arctan2(offset[:, 0], -offset[:, 1]))
            elevation = np.degrees(np.arcsin(np.clip(offset[:, 2] / radius, -1, 1)))
            turned = elevation + share * np.where(side_up, -np.asarray(upper_motion), lower_motion)
            moved = eye_points(turned_azimuth, turned, radius) - start
            values[loop] = moved * ([-1.0, 1.0, 1.0] if mirror else [1.0, 1.0, 1.0])
        return self.solver.spread(held, values)

    def _lids(self, upper_motion: Floats | float, lower_motion: Floats | float) -> Points:
        s = self.surface
        return self._lid_loops(s.eye_left, False, upper_motion, lower_motion) + self._lid_loops(
            s.eye_right, True, upper_motion, lower_motion
        )

    def blink(self) -> Points:
        loops = self.surface.eye_left
        _, upper, lower = lid_angles(np.cos(loops.angles()))
        meeting = 0.22 * upper + 0.78 * lower
        # The lids overlap by a hair, so that no slit is left between the vertices.
        return self._lids(upper - meeting + 0.6, meeting - lower + 0.6)

    def _off(self) -> Floats:
        loops = self.surface.eye_left
        return np.abs(np.sin(loops.angles())) ** 0.8

    def squint(self) -> Points:
        return self._lids(6.0 * self._off(), 13.0 * self._off())

    def wide(self) -> Points:
        return self._lids(-9.0 * self._off(), -3.0 * self._off())

    def look_up(self) -> Points:
        return self._lids(-7.0 * self._off(), 2.0 * self._off())

    def look_down(self) -> Points:
        return self._lids(16.0 * self._off(), -5.0 * self._off())

    def look_sideways(self) -> Points:
        return self._lids(1.0 * self._off(), 0.5 * self._off())

    # All shapes

    def compute(self) -> dict[str, Points]:
        """Compute every ARKit shape by name: displacements ``[vertex, 3]``."""
        x = self.p[:, 0]
        shapes: dict[str, Points] = {
            "jawOpen": self.jaw_open(),
            "mouthClose": self.mouth_close(),
            "mouthFunnel": self.funnel(),
            "mouthPucker": self.pucker(),
            "mouthRollLower": self.roll_lower(),
            "mouthRollUpper": self.roll_upper(),
            "mouthShrugLower": self.shrug_lower(),
            "mouthShrugUpper": self.shrug_upper(),
            "browInnerUp": self.brow_inner_up(),
            "cheekPuff": self.cheek_puff(),
            "tongueOut": self.tongue_passage(),
            "jawForward": self.jaw_weight[:, None] * [0.0, -0.75, -0.08],
            "jawLeft": self.jaw_weight[:, None] * [0.9, 0.0, 0.0],
        }
        shapes["jawRight"] = shapes["jawLeft"] * [-1.0, 1.0, 1.0]
        left = self.sideways()
        shapes["mouthLeft"] = left
        shapes["mouthRight"] = self._mirror_image(left)
        for name, motion, width in (
            ("mouthLowerDown", self.lower_down(), 1.3),
            ("mouthUpperUp", self.upper_up(), 1.3),
            ("mouthSmile", self.smile(), 1.0),
            ("mouthFrown", self.frown(), 1.0),
            ("mouthDimple", self.dimple(), 1.0),
            ("mouthStretch", self.stretch(), 1.0),
            ("mouthPress", self.press(), 1.3),
            ("browDown", self.brow_down(), 0.7),
            ("browOuterUp", self.brow_outer_up(), 0.7),
            ("cheekSquint", self.cheek_squint(), 0.5),
            ("noseSneer", self.nose_sneer(), 0.5),
            ("eyeBlink", self.blink(), 0.1),
            ("eyeSquint", self.squint(), 0.1),
            ("eyeWide", self.wide(), 0.1),
            ("eyeLookUp", self.look_up(), 0.1),
            ("eyeLookDown", self.look_down(), 0.1),
            ("eyeLookIn", self.look_sideways(), 0.1),
            ("eyeLookOut", self.look_sideways(), 0.1),
        ):
            share = left_share(x, width)[:, None]
            shapes[f"{name}Left"] = motion * share
            shapes[f"{name}Right"] = motion * (1.0 - share)
        return {name: shapes[name] for name in ARKIT_NAMES}

    def _mirror_image(self, motion: Points) -> Points:
        """Mirror a shape to the other side."""
        from scipy.spatial import KDTree

        _, partner = KDTree(self.p).query(self.p * [-1.0, 1.0, 1.0])
        return motion[partner] * [-1.0, 1.0, 1.0]
