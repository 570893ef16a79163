# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo character's other meshes: eyes, lashes, brows, teeth, tongue, ears, hair and shoulders. No Blender.

Every part is a `Part`: positions in centimetres, faces, vertex colours (sRGB 0..1) and its shapes by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .sculpt import EYE, MOUTH, Points, cast_to_head, head_normals, project_to_head
from .shapes import JAW_OPEN_DEGREES, FaceShapes, left_share, rotate_about_hinge, smooth_step
from .topology import Floats, eye_points

SKIN = np.array([0.93, 0.755, 0.645])
BLUSH = np.array([0.90, 0.56, 0.48])
LIPS = np.array([0.76, 0.40, 0.38])
INSIDE = np.array([0.45, 0.12, 0.13])
HAIR = np.array([0.36, 0.19, 0.13])
HAIR_LIGHT = np.array([0.56, 0.31, 0.19])
BROWS = np.array([0.30, 0.16, 0.11])
TEETH = np.array([0.97, 0.95, 0.91])
GUMS = np.array([0.80, 0.42, 0.42])
TONGUE = np.array([0.72, 0.33, 0.34])
TEETH_BELOW_SEAM = 0.26
SWEATER = np.array([0.15, 0.40, 0.42])


@dataclass
class Part:
    """One mesh. ``bone`` names the bone that carries it."""

    name: str
    positions: Points
    faces: list[list[int]]
    colours: Points
    bone: str = "head"
    shapes: dict[str, Points] = field(default_factory=dict)
    roughness: float = 0.5


def _grid_faces(rows: int, columns: int, start: int = 0, closed: bool = False) -> list[list[int]]:
    """Build quads of a grid of vertices numbered row by row; ``closed`` joins the last column to the first."""
    faces = []
    for r in range(rows - 1):
        for c in range(columns if closed else columns - 1):
            n = (c + 1) % columns
            faces.append(
                [start + r * columns + c, start + r * columns + n, start + (r + 1) * columns + n, start + (r + 1) * columns + c]
            )
    return faces


def _facing_out(points: Points, faces: list[list[int]]) -> list[list[int]]:
    """Return the same faces, turned so that they enclose a positive volume."""
    centred = points - points.mean(axis=0)
    volume = sum(np.dot(centred[f[0]], np.cross(centred[f[i]], centred[f[i + 1]])) for f in faces for i in range(1, len(f) - 1))
    return faces if volume >= 0 else [face[::-1] for face in faces]


def _joined(
    name: str, pieces: list[tuple[Points, list[list[int]], Points]], bone: str = "head", roughness: float = 0.5
) -> Part:
    positions, faces, colours, start = [], [], [], 0
    for points, quads, colour in pieces:
        quads = _facing_out(points, quads)
        positions.append(points)
        faces += [[v + start for v in quad] for quad in quads]
        colours.append(np.broadcast_to(colour, points.shape))
        start += len(points)
    return Part(name, np.concatenate(positions), faces, np.concatenate(colours), bone, roughness=roughness)


def _mix(a: Floats, b: Floats, share: Floats) -> Points:
    return a + (b - a) * np.asarray(share)[..., None]


def face_colours(shapes: FaceShapes) -> Points:
    """Colour the skin with blush, lips and the inside of the mouth, ``[vertex, 3]``."""
    p = shapes.p
    mirrored = np.abs(p * [1, 0, 0]) + p * [0, 1, 1]

    def near(centre: list[float], radii: list[float]) -> Floats:
        return np.exp(-np.sum(((mirrored - centre) / np.asarray(radii)) ** 2, axis=1))

    colour = _mix(SKIN, BLUSH, 0.55 * near([4.2, -7.0, -2.9], [2.1, 3.0, 1.5]))
    colour = _mix(colour, BLUSH, 0.45 * near([0.0, -9.8, -2.6], [1.2, 1.2, 0.9]))
    colour = _mix(colour, BLUSH * 0.92, 0.30 * near([3.3, -7.6, 0.9], [2.2, 2.0, 1.0]))
    mouth = shapes.surface.mouth
    for name, share in (
        ("skin_inner", 0.04),
        ("border_outer", 0.20),
        ("border", 0.72),
        ("lip_low", 0.95),
        ("lip_crest", 1.0),
        ("lip_inner", 1.0),
    ):
        loop = mouth.loop(name)
        colour[loop] = _mix(colour[loop], LIPS, np.full(len(loop), share))
    for name, share in (
        ("seam_front", 0.25),
        ("seam_middle", 0.5),
        ("seam_back", 0.7),
        ("bag_front", 0.9),
        ("bag_gum", 1.0),
        ("bag_middle", 1.0),
    ):
        colour[mouth.loop(name)] = _mix(LIPS, INSIDE, np.full(mouth.around, share))
    colour[mouth.loop("bag_deep")] = INSIDE * 0.8
    colour[mouth.loop("bag_end")] = INSIDE * 0.65
    for eye in (shapes.surface.eye_left, shapes.surface.eye_right):
        for name, share in (
            ("fold", 0.35),
            ("lid_high", 0.25),
            ("lid_low", 0.3),
            ("margin_front", 0.55),
            ("margin_back", 0.8),
            ("tuck", 0.8),
            ("hidden", 0.8),
        ):
            colour[eye.loop(name)] = _mix(colour[eye.loop(name)], BLUSH * 0.8, np.full(eye.around, share))
    return colour


def eyes() -> Part:
    """Build both eyeballs, looking straight ahead; eyeLook shapes turn them."""
    around = 48
    rings = np.array([0.01, 4, 8, 10.5, 11.5, 15, 20, 24.5, 27, 28.5, 30, 36, 44, 54, 68, 84, 105, 130, 155, 179.9])
    iris_dark, iris_light = np.array([0.13, 0.22, 0.21]), np.array([0.42, 0.66, 0.58])
    white, black = np.array([0.975, 0.965, 0.95]), np.array([0.03, 0.03, 0.035])
    ring_colours = []
    for degrees in rings:
        if degrees < 11:
            ring_colours.append(black)
        elif degrees < 27.5:
            ring_colours.append(
                iris_light + (iris_dark - iris_light) * smooth_step(np.array(degrees), 17.0, 28.0) * 0.95
                if degrees > 12
                else iris_dark
            )
        elif degrees < 29:
            ring_colours.append(iris_dark * 0.55)
        else:
            ring_colours.append(white)
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    polar = np.radians(rings)[:, None]
    unit = np.stack(
        [np.sin(polar) * np.cos(turn), -np.cos(polar) * np.ones_like(turn), np.sin(polar) * np.sin(turn)], axis=-1
    ).reshape(-1, 3)
    colours = np.repeat(np.array(ring_colours), around, axis=0).reshape(len(rings), around, 3)
    # The iris is darker under the upper lid.
    shade = 1.0 - 0.35 * smooth_step(np.sin(turn), -0.2, 1.0)
    colours[4:9] = colours[4:9] * shade[None, :, None]
    faces = _grid_faces(len(rings), around, closed=True)
    pieces = []
    for side in (1.0, -1.0):
        centre = np.asarray(EYE.centre) * [side, 1, 1]
        pieces.append((centre + EYE.radius * unit, faces, colours.reshape(-1, 3)))
    part = _joined("Eyes", pieces, roughness=0.08)
    left = np.arange(len(part.positions)) < len(unit)
    for name, degrees, axis in (("Up", 20.0, "x"), ("Down", -22.0, "x"), ("In", 24.0, "z"), ("Out", -24.0, "z")):
        for side, mask in (("Left", left), ("Right", ~left)):
            centre = np.asarray(EYE.centre) * [1.0 if side == "Left" else -1.0, 1, 1]
            offset = part.positions - centre
            if axis == "x":
                a = np.radians(-degrees)
                turned = np.stack(
                    [
                        offset[:, 0],
                        np.cos(a) * offset[:, 1] - np.sin(a) * offset[:, 2],
                        np.sin(a) * offset[:, 1] + np.cos(a) * offset[:, 2],
                    ],
                    axis=-1,
                )
            else:
                a = np.radians(-degrees if side == "Left" else degrees)
                turned = np.stack(
                    [
                        np.cos(a) * offset[:, 0] - np.sin(a) * offset[:, 1],
                        np.sin(a) * offset[:, 0] + np.cos(a) * offset[:, 1],
                        offset[:, 2],
                    ],
                    axis=-1,
                )
            part.shapes[f"eyeLook{name}{side}"] = (turned - offset) * mask[:, None]
    return part


def eye_lights() -> Part:
    """Return the painted reflections on both eyes; they stay where the light is."""
    pieces = []
    for side in (1.0, -1.0):
        centre = np.asarray(EYE.centre) * [side, 1, 1]
        for azimuth, elevation, size in ((-9.0, 13.0, 4.6), (9.0, -11.0, 2.0)):
            turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
            rim = eye_points(azimuth + size * np.cos(turn), elevation + size * np.sin(turn), np.full(20, 1.006 * EYE.radius))
            middle = eye_points(np.array([azimuth]), np.array([elevation]), np.array([1.010 * EYE.radius]))
            points = np.concatenate([rim, middle]) - EYE.centre + centre
            pieces.append((points, [[i, (i + 1) % 20, 20] for i in range(20)], np.array([1.0, 1.0, 1.0])))
    return _joined("Eye Lights", pieces, roughness=0.05)


def lashes(shapes: FaceShapes, face_shapes: dict[str, Points]) -> Part:
    """Return a dark, tapered edge along each upper lid; it moves with the lid's own vertices."""
    pieces, sources = [], []
    for eye, side in ((shapes.surface.eye_left, 1.0), (shapes.surface.eye_right, -1.0)):
        half = eye.around // 2
        loop = eye.loop("margin_front")[: half + 1]
        base = shapes.p[loop]
        centre = np.asarray(EYE.centre) * [side, 1, 1]
        outward = (base - centre) / np.linalg.norm(base - centre, axis=1, keepdims=True)
        u = np.linspace(0, 1, half + 1)  # 0 outer, 1 inner corner
        taper = np.sin(np.pi * np.clip(u * 0.74 + 0.26, 0, 1)) ** 0.8
        wing = np.exp(-((u / 0.16) ** 2))
        up = np.array([0.0, 0.0, 1.0])
        rows = [
            base - 0.035 * outward - 0.02 * up,
            base
            + outward * (0.04 + 0.15 * taper)[:, None]
            + up * (0.02 + 0.04 * taper)[:, None]
            + np.array([side, 0.1, 0.35]) * (0.32 * wing)[:, None],
            base + 0.02 * outward + up * (0.03 + 0.10 * taper)[:, None] + np.array([side, 0.1, 0.35]) * (0.10 * wing)[:, None],
            base - 0.06 * outward + up * (0.03 + 0.08 * taper)[:, None],
        ]
        pieces.append((np.concatenate(rows), _grid_faces(4, half + 1), BROWS * 0.45))
        sources.append(np.tile(loop, 4))
    part = _joined("Lashes", pieces, roughness=0.6)
    source = np.concatenate(sources)
    for name, motion in face_shapes.items():
        if np.abs(motion[source]).max() > 1e-3:
            part.shapes[name] = motion[source]
    return part


def brows(shapes: FaceShapes, face_shapes: dict[str, Points]) -> Part:
    """Build two soft tapered strokes on the brow ridge that move with the skin below them."""
    from scipy.spatial import KDTree

    pieces = []
    along = np.linspace(0, 1, 28)
    ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for side in (1.0, -1.0):
        x = 1.35 + 4.15 * along
        z = 2.62 + 0.78 * np.sin(np.pi * (0.10 + 0.72 * along)) - 0.30 * along**3
        centre = project_to_head(np.stack([x, np.full_like(x, -8.5) + 0.4 * along, z], axis=-1), 8)
        normal = head_normals(centre)
        tangent = np.gradient(centre, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        up = np.cross(tangent, normal)
        up *= np.sign(up[:, 2:3])
        body = np.sin(np.pi * np.clip(0.10 + 0.90 * along, 0, 1)) ** 0.55
        height = 0.36 * body * (1.0 - 0.55 * along)
        height[0] *= 0.55
        height[-1] = 0.015
        bulge = 0.17 * body * (1 - 0.4 * along)
        points = (
            centre[:, None, :]
            + up[:, None, :] * (height[:, None] * np.sin(ring))[..., None]
            + normal[:, None, :] * (0.03 + bulge[:, None] * np.cos(ring))[..., None]
        ).reshape(-1, 3)
        faces = _grid_faces(len(along), len(ring), closed=True)
        faces += [list(range(len(ring))), [len(points) - 1 - i for i in range(len(ring))]]
        pieces.append((points * [side, 1, 1], faces, BROWS))
    part = _joined("Brows", pieces, roughness=0.7)
    distance, nearest = KDTree(shapes.p).query(part.positions, k=6)
    weight = 1.0 / np.maximum(distance, 0.02) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    for name, motion in face_shapes.items():
        carried = np.einsum("vk,vkc->vc", weight, motion[nearest])
        if np.abs(carried).max() > 5e-3:
            part.shapes[name] = carried
    return part


def _tooth(width: float, height: float, thickness: float) -> tuple[Points, list[list[int]]]:
    """Build a rounded box around the origin, its biting edge at -z."""
    rows, around = 11, 20
    v = np.sin(0.5 * np.pi * np.linspace(-1, 1, rows))
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)

    def power(value: Floats, exponent: float) -> Floats:
        return np.sign(value) * np.abs(value) ** exponent

    round_off = (1.0 - np.abs(v) ** 10) ** 0.3
    round_off[[0, -1]] = 0.0
    neck = 1.0 - 0.10 * (v + 1) / 2
    x = 0.5 * width * (round_off * neck)[:, None] * power(np.cos(turn), 0.42)
    y = 0.5 * thickness * (round_off * (0.75 + 0.25 * v))[:, None] * power(np.sin(turn), 0.7)
    z = 0.5 * height * v[:, None] * np.ones_like(turn)
    return np.stack([x, y, z], axis=-1).reshape(-1, 3), _grid_faces(rows, around, closed=True)


def _teeth(
    name: str,
    front: float,
    edge: float,
    half_width: float,
    direction: float,
    widths: tuple[float, ...],
    heights: tuple[float, ...],
) -> Part:
    """Build a dental arch; ``direction`` 1 for the upper teeth (edge below), -1 for the lower."""
    fine = np.linspace(0, np.pi / 2, 400)
    curve = np.stack([half_width * np.sin(fine), front + 3.6 * (1 - np.cos(fine))], axis=-1)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    pieces = []
    for side in (1.0, -1.0):
        at = 0.0
        for width, height in zip(widths, heights, strict=True):
            middle = at + width / 2
            at += width
            x, y = np.interp(middle, length, curve[:, 0]), np.interp(middle, length, curve[:, 1])
            t = np.interp(middle, length, fine)
            tangent = np.array([half_width * np.cos(t), 3.6 * np.sin(t)])
            tangent /= np.linalg.norm(tangent)
            points, faces = _tooth(width * 1.02, height, 0.42 + 0.25 * (middle > 2.0))
            # Both rows curve up towards the corners of the mouth, like a smile.
            z = edge + direction * (points[:, 2] + height / 2) + (0.05 if direction > 0 else -0.06) * x**2
            world = np.stack(
                [
                    x + points[:, 0] * tangent[0] - points[:, 1] * tangent[1],
                    y + points[:, 0] * tangent[1] + points[:, 1] * tangent[0],
                    z,
                ],
                axis=-1,
            )
            pieces.append((world * [side, 1, 1], faces, TEETH * (1.0 - 0.05 * (middle > 1.6))))
    turn = np.linspace(-np.pi / 2, np.pi / 2, 41)
    ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    spine = np.stack(
        [
            half_width * 1.02 * np.sin(turn),
            front + 0.12 + 3.6 * (1 - np.cos(turn)),
            np.full_like(turn, edge + direction * 1.08),
        ],
        axis=-1,
    )
    outward = np.stack([np.sin(turn), -np.cos(turn), np.zeros_like(turn)], axis=-1)
    wave = 0.05 * np.cos(turn * 13.0)
    gums = (
        spine[:, None, :]
        + outward[:, None, :] * (0.30 * np.cos(ring))[None, :, None]
        + np.array([0, 0, 1.0]) * ((0.36 + wave[:, None]) * np.sin(ring))[..., None]
    )
    pieces.append((gums.reshape(-1, 3), _grid_faces(len(turn), len(ring), closed=True), GUMS))
    return _joined(name, pieces, roughness=0.15)


def upper_teeth() -> Part:
    """Build the upper teeth, whose edge stands `TEETH_BELOW_SEAM` under the lips' seam: there the lower lip meets it for f and
    v."""
    return _teeth(
        "Teeth Upper",
        -8.30,
        MOUTH.height - TEETH_BELOW_SEAM,
        2.35,
        1.0,
        (0.72, 0.58, 0.60, 0.58, 0.60, 0.78),
        (0.95, 0.90, 0.93, 0.86, 0.80, 0.74),
    )


def lower_teeth(jaw_shapes: tuple[str, ...] = ("jawOpen", "jawForward", "jawLeft", "jawRight")) -> Part:
    """Build the lower teeth, fixed to the jaw."""
    part = _teeth(
        "Teeth Lower",
        -8.02,
        MOUTH.height - 0.32,
        2.18,
        -1.0,
        (0.50, 0.52, 0.56, 0.58, 0.60, 0.78),
        (0.80, 0.80, 0.86, 0.80, 0.76, 0.72),
    )
    moves = jaw_motions(part.positions)
    part.shapes = {name: moves[name] for name in jaw_shapes}
    return part


def jaw_motions(points: Points) -> dict[str, Points]:
    """Return the motions of points fixed to the jaw in the four jaw shapes."""
    flat = np.ones((len(points), 1))
    return {
        "jawOpen": rotate_about_hinge(points, JAW_OPEN_DEGREES),
        "jawForward": flat * [0.0, -0.75, -0.08],
        "jawLeft": flat * [0.9, 0.0, 0.0],
        "jawRight": flat * [-0.9, 0.0, 0.0],
    }


def tongue() -> Part:
    """Build the tongue with ARKit's tongueOut and shapes for its tip, its back and its width."""
    rows, around = 30, 24
    v = np.linspace(0, 1, rows)  # 0 tip, 1 root
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    taper = np.sqrt(1 - (1 - np.clip(v / 0.32, 0, 1)) ** 2) * np.interp(v, [0, 0.5, 1], [1.0, 1.0, 0.86])
    taper[0] = 0.02
    half_width, half_height = 1.52 * taper, 0.46 * taper**0.8 * np.interp(v, [0, 0.3, 1], [0.62, 1.0, 1.5])
    y = -7.45 + 5.0 * v
    z = MOUTH.height - 1.42 + 0.30 * np.sin(np.pi * np.clip(v, 0, 1)) - 0.5 * v**3
    x = half_width[:, None] * np.cos(turn)
    dip = -0.16 * np.exp(-((np.cos(turn) / 0.28) ** 2)) * (np.sin(turn) > 0)
    height = half_height[:, None] * np.sin(turn) + dip * np.sin(np.pi * v)[:, None]
    points = np.stack([x, np.broadcast_to(y[:, None], x.shape), z[:, None] + height], axis=-1).reshape(-1, 3)
    along = np.repeat(v, around)
    colour = _mix(TONGUE, INSIDE, 0.75 * smooth_step(along, 0.15, 0.9))
    part = Part("Tongue", points, _facing_out(points, _grid_faces(rows, around, closed=True)), colour, roughness=0.25)
    hold = smooth_step(along, 1.0, 0.55)[:, None]
    moves = jaw_motions(points)
    share = 0.45 + 0.55 * hold
    part.shapes = {name: move * (0.93 * share if name == "jawOpen" else share) for name, move in moves.items()}
    tip = smooth_step(along, 0.75, 0.0)
    part.shapes["tongueOut"] = np.stack(
        [-0.12 * points[:, 0] * tip, -3.1 * tip, 0.95 * smooth_step(tip, 0.0, 0.5) - 0.55 * tip**3], axis=-1
    )
    lift = smooth_step(along, 0.5, 0.0)
    part.shapes["tongueTipUp"] = np.stack([0.0 * lift, 0.10 * lift, 0.78 * lift], axis=-1)
    back = np.exp(-(((along - 0.62) / 0.24) ** 2))
    part.shapes["tongueBackUp"] = np.stack([0.0 * back, 0.15 * back, 0.70 * back], axis=-1)
    wide = smooth_step(along, 1.0, 0.3)
    part.shapes["tongueWide"] = np.stack(
        [0.20 * points[:, 0] * wide, 0.0 * wide, -0.12 * wide * (points[:, 2] - z.repeat(around))], axis=-1
    )
    return part


def ears() -> Part:
    """Build two simple ears: a rim, a ridge and a hollow."""
    around = 36
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    egg = 1.0 + 0.10 * np.sin(turn) - 0.10 * np.cos(2 * turn + 0.5)
    rings = [
        (0.02, 0.42),
        (0.22, 0.40),
        (0.40, 0.52),
        (0.55, 0.92),
        (0.66, 0.95),
        (0.76, 0.80),
        (0.86, 0.92),
        (0.95, 1.10),
        (1.01, 1.02),
        (1.0, 0.80),
        (0.86, 0.45),
        (0.72, -0.4),
    ]
    pieces = []
    for side in (1.0, -1.0):
        rows = []
        for radius, height in rings:
            back = 1.30 * radius * egg * np.cos(turn)
            up = 2.05 * radius * egg * np.sin(turn) * (1.0 - 0.14 * (np.sin(turn) < 0))
            out = height * 0.62 * np.ones_like(turn)
            flare = 0.42 * (back + 1.1)
            front = smooth_step(back, -0.5, -1.25)  # the front of the rim is on the cheek
            rows.append(np.stack([out * (1 - 0.8 * front) + flare, back, up - 0.18 * back], axis=-1))
        local = np.concatenate(rows)
        points = np.asarray([6.55, 1.15, -1.2]) + local
        faces = _grid_faces(len(rings), around, closed=True) + [list(range(around))]
        tint = np.repeat(np.array([0.75, 0.7, 0.55, 0.3, 0.35, 0.5, 0.35, 0.3, 0.3, 0.3, 0.3, 0.3]), around)
        pieces.append((points * [side, 1, 1], faces, _mix(SKIN, BLUSH, tint)))
    return _joined("Ears", pieces, roughness=0.5)


def hair() -> Part:
    """Build a short side-swept cap of locks, grown outwards from the skull."""
    around, rows = 180, 60
    turn = np.linspace(-np.pi, np.pi, around, endpoint=False)  # 0 in front, positive to the character's left
    v = np.linspace(0, 1, rows)
    origin = np.array([0.0, 0.3, 2.0])
    degrees = np.degrees(turn)
    # How far the hair reaches from the crown, degrees, by direction: fringe, temples, ears, nape.
    reach = np.interp(
        degrees,
        [-180, -150, -120, -100, -84, -70, -55, -38, -15, 5, 25, 40, 55, 70, 84, 100, 120, 150, 180],
        [124, 124, 120, 112, 100, 102, 84, 66, 55, 50, 52, 62, 80, 101, 100, 112, 120, 124, 124],
    )
    from scipy import ndimage

    reach = ndimage.gaussian_filter1d(reach, 2.2, mode="wrap")
    polar = np.radians(reach[None, :] * v[:, None])
    direction = np.stack([np.sin(polar) * np.sin(turn), -np.sin(polar) * np.cos(turn), np.cos(polar)], axis=-1).reshape(-1, 3)
    skin = cast_to_head(np.broadcast_to(origin, direction.shape), np.asarray(direction, np.float64))
    normal = head_normals(skin)
    edge = np.repeat(v, around)
    bearing = np.tile(turn, rows)
    # Locks: ridges that sweep from a parting on the character's left over to the right.
    parting = 0.42
    swept = bearing - parting
    swept = (swept + np.pi) % (2 * np.pi) - np.pi
    flow = swept * 7.0 + 2.4 * np.sin(edge * 2.2) * np.sign(-swept + 1e-6)
    lock = 0.5 + 0.5 * np.cos(flow * 1.6)
    fine = 0.5 + 0.5 * np.cos(flow * 5.3 + 1.3)
    front = np.exp(-((bearing / 0.85) ** 2))
    groove = np.exp(-((swept / 0.05) ** 2)) * smooth_step(edge, 0.05, 0.35)
    thickness = (
        0.75
        + 0.75 * smooth_step(edge, 0.0, 0.45) * front
        + 0.28 * lock * smooth_step(edge, 0.1, 0.5)
        + 0.06 * fine * smooth_step(edge, 0.1, 0.4)
    )
    thickness = (thickness - 0.35 * groove) * smooth_step(edge, 1.0, 0.80) ** 0.5 - 0.25 * smooth_step(edge, 0.93, 1.0)
    points = skin + normal * thickness[:, None]
    colour = _mix(HAIR * 0.82, HAIR_LIGHT, 0.55 * lock * (0.4 + 0.6 * smooth_step(edge, 0.2, 0.7)) + 0.15 * fine)
    colour = _mix(colour, HAIR * 0.7, 0.6 * groove)
    faces = _facing_out(points, _grid_faces(rows, around, closed=True))
    return Part("Hair", points, faces, colour, roughness=0.45)


def shoulders() -> Part:
    """Build neck of a jumper and shoulders."""
    around = 64
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    # z, half width, half depth, centre y, squareness
    knots = [
        (-11.6, 3.7, 3.6, 1.5, 1.0), (-11.1, 3.95, 3.85, 1.5, 1.0), (-10.95, 4.2, 4.1, 1.5, 1.0),
        (-11.2, 4.45, 4.35, 1.5, 1.0), (-12.0, 4.6, 4.5, 1.6, 1.0), (-12.8, 4.55, 4.45, 1.7, 1.0),
        (-13.3, 4.7, 4.5, 1.8, 1.0), (-13.8, 5.6, 4.9, 1.9, 0.98), (-14.4, 7.4, 5.4, 2.0, 0.95),
        (-15.2, 9.8, 5.9, 2.0, 0.92), (-16.2, 12.2, 6.3, 2.0, 0.9), (-17.4, 14.2, 6.6, 2.0, 0.88),
        (-19.0, 15.6, 6.9, 2.0, 0.86), (-21.5, 16.4, 7.2, 2.0, 0.85), (-25.0, 16.6, 7.4, 2.0, 0.85),
    ]  # fmt: skip
    rows = []
    for z, width, depth, y, square in knots:
        c, s = np.cos(turn), np.sin(turn)
        rows.append(
            np.stack(
                [width * np.sign(c) * np.abs(c) ** square, y + depth * np.sign(s) * np.abs(s) ** square, np.full_like(turn, z)],
                axis=-1,
            )
        )
    points = np.concatenate(rows)
    rib = 1.0 + 0.06 * np.cos(np.tile(turn, len(knots)) * 30) * (points[:, 2] > -13.4)
    faces = _facing_out(points, _grid_faces(len(knots), around, closed=True))
    return Part("Shoulders", points, faces, SWEATER * rib[:, None], "root", roughness=0.85)


__all__ = [
    "Part",
    "brows",
    "ears",
    "eye_lights",
    "eyes",
    "face_colours",
    "hair",
    "jaw_motions",
    "lashes",
    "left_share",
    "lower_teeth",
    "shoulders",
    "tongue",
    "upper_teeth",
]
