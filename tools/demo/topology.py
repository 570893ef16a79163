# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo head's surface: quads in loops around mouth and eyes, laid on the sculpted form. No Blender.

A grid runs around the head (columns) from the crown to the neck (rows). Three rectangles are left out of it and
filled with closed loops: the mouth's run over the lips, through their seam and on into the mouth; the eyes' run
over the lids and around the lid margins behind them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from .sculpt import EYE, MOUTH, Points, cast_to_head, front_depth, project_to_head
from .skin import Floats, SkinSolver

Ints = NDArray[np.int64]

DENSITY = 2
HALF_COLUMNS = 20 * DENSITY
ROWS = 43 * DENSITY
MOUTH_CELLS = (-6 * DENSITY, 6 * DENSITY, 22 * DENSITY, 28 * DENSITY)
EYE_CELLS = (2 * DENSITY, 10 * DENSITY, 13 * DENSITY, 17 * DENSITY)

MOUTH_LOOPS = (
    "cell", "skin_outer", "skin_middle", "skin_inner", "border_outer", "border", "lip_low", "lip_crest",
    "lip_inner", "seam_front", "seam_middle", "seam_back", "bag_front", "bag_gum", "bag_middle", "bag_deep",
    "bag_end",
)  # fmt: skip
EYE_LOOPS = (
    "cell",
    "skin_outer",
    "skin_inner",
    "fold_outer",
    "fold",
    "lid_high",
    "lid_low",
    "margin_front",
    "margin_back",
    "tuck",
    "hidden",
)


@dataclass(frozen=True)
class Loops:
    """Closed loops of vertices ``[loop, around]``; index 0 is the left (outer) corner, the first half the upper side."""

    names: tuple[str, ...]
    vertices: Ints

    def loop(self, name: str) -> Ints:
        """Return one loop's vertices, from the corner over the upper side and back along the lower."""
        return self.vertices[self.names.index(name)]

    def first(self, name: str) -> int:
        """Return the position of the loop called ``name``, counted from the outside."""
        return self.names.index(name)

    @property
    def around(self) -> int:
        """Number of vertices in one loop."""
        return int(self.vertices.shape[1])

    def angles(self) -> Floats:
        """Return the angles: 0 at index 0, pi at the other corner, on to 2 pi along the lower side."""
        return np.arange(self.around) * (2.0 * np.pi / self.around)


@dataclass(frozen=True)
class Surface:
    """The neutral face: ``positions`` ``[vertex, 3]`` in centimetres and ``faces`` ``[face, 4]`` (quads)."""

    positions: Points
    faces: Ints
    mouth: Loops
    eye_left: Loops
    eye_right: Loops


def spread(cosine: Floats, power: float) -> Floats:
    """Return how far an outline is off its axis, 0 at the corners and 1 in the middle, for ``cosine`` -1..1 along it."""
    return np.maximum(1.0 - cosine**2, 0.0) ** power


def seam_height(x: Floats) -> Floats:
    """Return z of the closed lips' seam at ``x``: a faint smile with a dip below the middle of the upper lip."""
    t = np.clip(x / MOUTH.half_width, -1.3, 1.3)
    return MOUTH.height + 0.30 * t**2 - 0.05 * np.exp(-((x / 0.45) ** 2))


def _build_cells() -> tuple[dict[tuple[int, int], int], list[list[int]], Loops, Loops, Loops, int]:
    """Build the connectivity: grid vertex numbers by (row, column), quads, the three families of loops, vertex count."""
    right_eye = (-EYE_CELLS[1], -EYE_CELLS[0], EYE_CELLS[2], EYE_CELLS[3])
    holes = (MOUTH_CELLS, EYE_CELLS, right_eye)

    def inside(row: int, column: int) -> bool:
        return any(a < column < b and c < row < d for a, b, c, d in holes)

    def cell_inside(row: int, column: int) -> bool:
        return any(a <= column < b and c <= row < d for a, b, c, d in holes)

    columns = range(-HALF_COLUMNS + 1, HALF_COLUMNS + 1)
    number: dict[tuple[int, int], int] = {}
    for row in range(ROWS + 1):
        for column in columns:
            if not inside(row, column):
                number[(row, column)] = len(number)
    count = len(number)
    faces: list[list[int]] = []
    for row in range(ROWS):
        for column in columns:
            following = column + 1 if column < HALF_COLUMNS else -HALF_COLUMNS + 1
            if not cell_inside(row, column):
                faces.append([number[row, column], number[row + 1, column], number[row + 1, following], number[row, following]])

    def fill(cells: tuple[int, int, int, int], names: tuple[str, ...], from_right: bool) -> Loops:
        nonlocal count
        a, b, c, d = cells
        middle = (c + d) // 2
        ring = [(row, b) for row in range(middle, c, -1)] + [(c, column) for column in range(b, a, -1)]
        ring += [(row, a) for row in range(c, d)] + [(d, column) for column in range(a, b)]
        ring += [(row, b) for row in range(d, middle, -1)]
        if from_right:
            half = len(ring) // 2
            ring = [ring[(half - i) % len(ring)] for i in range(len(ring))]
        loops = [[number[key] for key in ring]]
        for _ in names[1:]:
            loops.append(list(range(count, count + len(ring))))
            count += len(ring)
        for outer, inner in zip(loops, loops[1:], strict=False):
            for i in range(len(ring)):
                j = (i + 1) % len(ring)
                quad = [outer[i], outer[j], inner[j], inner[i]]
                faces.append(quad[::-1] if from_right else quad)
        return Loops(names, np.array(loops))

    mouth = fill(MOUTH_CELLS, MOUTH_LOOPS, False)
    left = fill(EYE_CELLS, EYE_LOOPS, False)
    right = fill(right_eye, EYE_LOOPS, True)
    # The mouth's back wall: strips between the last loop's upper and lower side.
    last = mouth.loop("bag_end")
    half = len(last) // 2
    for i in range(half):
        upper, upper_next, lower_next, lower = last[i], last[i + 1], last[-(i + 1) % len(last)], last[-i % len(last)]
        faces.append(list(dict.fromkeys([upper, upper_next, lower_next, lower])))
    return number, faces, mouth, left, right, count


def _grid_start(number: dict[tuple[int, int], int], positions: Points) -> None:
    """Place the grid first: rays from an axis that bends from the crown down into the neck."""
    # row, origin y, origin z, elevation, pitch (degrees)
    knots = np.array(
        [
            [0, 1.0, 3.0, 86, 0],
            [8, 0.0, 3.0, 22, 0],
            [11, -0.5, 2.9, 0, 0],
            [13, -0.5, 2.2, 0, 0],
            [17, -0.5, -2.0, 0, 0],
            [22, -0.5, -3.8, 0, 0],
            [28, -0.5, -7.6, 0, 0],
            [31, -1.5, -8.4, 0, 10],
            [34, -1.8, -8.4, 0, 52],
            [37, 0.6, -9.0, 0, 48],
            [39, 1.4, -11.0, 0, 18],
            [43, 2.2, -18.0, 0, 0],
        ],
        dtype=float,
    )
    keys = np.array(list(number.keys()))
    rows = keys[:, 0] / DENSITY
    y, z, elevation, pitch = (np.interp(rows, knots[:, 0], knots[:, k]) for k in range(1, 5))
    turn = np.pi * keys[:, 1] / HALF_COLUMNS
    turn = turn - 0.35 * np.sin(turn)  # columns crowd in the face
    elevation, pitch = np.radians(elevation), np.radians(pitch) * (0.5 + 0.5 * np.cos(turn))
    flat = np.stack([np.cos(elevation) * np.sin(turn), -np.cos(elevation) * np.cos(turn), np.sin(elevation)], axis=-1)
    direction = np.stack(
        [
            flat[:, 0],
            np.cos(pitch) * flat[:, 1] + np.sin(pitch) * flat[:, 2],
            np.sin(pitch) * flat[:, 1] + np.cos(pitch) * flat[:, 2],
        ],
        axis=-1,
    )
    origin = np.stack([np.zeros_like(y), y, z], axis=-1)
    positions[np.array(list(number.values()))] = cast_to_head(origin, np.asarray(direction, np.float64))


def mouth_chain(
    loops: Loops, half_width: float, upper: Floats, lower: Floats, along: float = 1.0
) -> tuple[Floats, Floats, Floats, Floats]:
    """Compute one mouth loop in front view: x, height above the seam, 0..1 off the corners, side (+1 upper, -1 lower)."""
    angle = loops.angles()
    cosine = np.cos(angle)
    side = np.where(np.sin(angle) >= -1e-9, 1.0, -1.0)
    x = half_width * cosine
    off = spread(cosine, along)
    return x, np.where(side > 0, upper, -lower) * off, off, side


def _place_mouth(loops: Loops, positions: Points) -> None:
    """Place the lips' loops, their seam and the bag behind on the muzzle."""
    angle = loops.angles()
    bow = 1.0 - 0.13 * np.exp(-((np.cos(angle) / 0.10) ** 2)) + 0.05 * np.exp(-(((np.abs(np.cos(angle)) - 0.2) / 0.12) ** 2))
    w, u, d = MOUTH.half_width, MOUTH.upper_lip, MOUTH.lower_lip
    # loop: half width, height of the upper and of the lower lip, forward of the muzzle (corner, upper, lower), outline power
    table: dict[str, tuple[float, float, float, float, float, float, float]] = {
        "border_outer": (w * 1.06, u * 1.22, d * 1.22, 0.00, 0.00, -0.02, 0.62),
        "border": (w * 1.02, u, d, 0.02, 0.10, 0.05, 0.66),
        "lip_low": (w * 1.005, u * 0.78, d * 0.80, 0.03, 0.26, 0.24, 0.68),
        "lip_crest": (w * 0.995, u * 0.50, d * 0.52, 0.03, 0.40, 0.42, 0.70),
        "lip_inner": (w * 0.985, u * 0.19, d * 0.20, 0.02, 0.38, 0.40, 0.74),
        "seam_front": (w * 0.98, 0.0, 0.0, -0.02, 0.20, 0.20, 1.0),
        "seam_middle": (w * 0.97, 0.0, 0.0, -0.12, -0.10, -0.10, 1.0),
        "seam_back": (w * 0.955, 0.0, 0.0, -0.22, -0.40, -0.40, 1.0),
        "bag_front": (w * 0.95, 0.30, 0.34, -0.35, -0.62, -0.62, 0.5),
    }
    for name, (half_width, upper, lower, corner, forward_upper, forward_lower, power) in table.items():
        x, above, off, side = mouth_chain(loops, half_width, upper * bow, np.full_like(bow, lower), power)
        seam = seam_height(x)
        round_off = off ** (0.5 / power)
        forward = corner + (np.where(side > 0, forward_upper, forward_lower) - corner) * round_off
        reference = seam if name.startswith(("seam", "bag")) else seam + above
        depth = front_depth(x, reference)
        positions[loops.loop(name)] = np.stack([x, depth - forward, seam + above], axis=-1)
    # Behind the lips the bag widens around the teeth and runs back to the throat.
    angle_cos, angle_sin = np.cos(angle), np.sin(angle)
    for name, half_width, upper, lower, front, back in (
        ("bag_gum", 2.8, 1.25, 1.35, -8.45, -6.5),
        ("bag_middle", 2.95, 1.75, 1.85, -7.2, -5.2),
        ("bag_deep", 2.6, 1.7, 1.8, -4.6, -3.6),
        ("bag_end", 1.7, 1.0, 1.1, -2.6, -2.4),
    ):
        height = np.where(angle_sin >= 0, upper, lower) * np.sign(angle_sin) * np.abs(angle_sin) ** 0.7
        y = back + (front - back) * np.sqrt(np.maximum(1.0 - angle_cos**2, 0.0))
        positions[loops.loop(name)] = np.stack([half_width * angle_cos, y, MOUTH.height - 0.1 + height], axis=-1)


def lid_angles(cosine: Floats) -> tuple[Floats, Floats, Floats]:
    """Compute azimuth and the elevation of the upper and lower lid margin, degrees, for 1 (outer) .. -1 (inner corner)."""
    azimuth = EYE.azimuth_middle + EYE.azimuth_half * cosine
    tilt = 1.0 + 3.5 * cosine
    upper = tilt + 26.0 * spread(cosine + 0.10 * (1 - cosine**2), 0.62)
    lower = tilt - 23.5 * spread(cosine - 0.12 * (1 - cosine**2), 0.72)
    return azimuth, upper, lower


def eye_points(azimuth: Floats, elevation: Floats, radius: Floats | float) -> Points:
    """Compute points around the left eyeball's centre; angles in degrees, azimuth to the character's left."""
    a, e = np.radians(azimuth), np.radians(elevation)
    unit = np.stack([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)], axis=-1)
    return np.asarray(EYE.centre) + np.asarray(radius)[..., None] * np.asarray(unit, np.float64)


LID_LOOPS: dict[str, tuple[float, float, float, float, float]] = {
    # share of the way from margin (0) to fold (1): upper, lower elevation beyond the margin, azimuth stretch, radius, lid share
    "fold_outer": (19.0, 15.0, 1.30, 1.12, 0.0),
    "fold": (13.0, 9.5, 1.19, 1.078, 0.12),
    "lid_high": (9.0, 7.0, 1.13, 1.085, 0.45),
    "lid_low": (4.5, 3.5, 1.07, 1.085, 0.80),
    "margin_front": (0.0, 0.0, 1.00, 1.075, 1.0),
    "margin_back": (-0.8, -0.8, 0.985, 1.02, 1.0),
    "tuck": (7.0, 7.0, 1.06, 1.008, 0.9),
    "hidden": (20.0, 18.0, 1.25, 0.965, 0.3),
}


def _place_eye(loops: Loops, positions: Points, mirror: bool) -> None:
    """Place lid fold, lid and margin loops on spheres around the eyeball."""
    angle = loops.angles()
    cosine = np.cos(angle)
    azimuth, upper, lower = lid_angles(cosine)
    side_up = np.sin(angle) >= -1e-9
    off = spread(cosine, 0.3)
    for name, (beyond_upper, beyond_lower, stretch, radius, _) in LID_LOOPS.items():
        middle = EYE.azimuth_middle
        elevation = np.where(side_up, upper + beyond_upper * off, lower - beyond_lower * off)
        points = eye_points(middle + (azimuth - middle) * stretch, elevation, np.full_like(azimuth, radius * EYE.radius))
        if name == "fold_outer":
            centre = np.broadcast_to(EYE.centre, points.shape)
            surface = cast_to_head(centre, points - centre, 8.0)
            distance = np.linalg.norm(surface - centre, axis=-1)
            keep = np.clip(distance, 1.09 * EYE.radius, 1.20 * EYE.radius) / (radius * EYE.radius)
            keep = ndimage.gaussian_filter1d(keep, 2.5, mode="wrap")
            points = centre + (points - centre) * keep[:, None]
        if mirror:
            points = points * [-1.0, 1.0, 1.0]
        positions[loops.loop(name)] = points


def _neighbours(faces: list[list[int]], count: int) -> sparse.csr_matrix:
    """Return the row-normalised adjacency ``[vertex, vertex]``."""
    pairs = {(a, b) for face in faces for a, b in zip(face, face[1:] + face[:1], strict=True)}
    pairs |= {(b, a) for a, b in pairs}
    rows, columns = np.array(sorted(pairs)).T
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return sparse.diags(1.0 / np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1.0)) @ matrix


def build_surface() -> Surface:
    """Build the neutral face mesh, mirror symmetric, every quad seen from outside counter-clockwise."""
    number, faces, mouth, left, right, count = _build_cells()
    positions = np.zeros((count, 3))
    _grid_start(number, positions)
    _place_mouth(mouth, positions)
    _place_eye(left, positions, False)
    _place_eye(right, positions, True)
    held = np.zeros(count, dtype=bool)
    held[mouth.vertices[mouth.first("border_outer") :].ravel()] = True
    for eye in (left, right):
        held[eye.vertices[eye.first("fold_outer") :].ravel()] = True
    for loops, first_held in (
        (mouth, mouth.first("border_outer")),
        (left, left.first("fold_outer")),
        (right, right.first("fold_outer")),
    ):
        outer, inner = positions[loops.vertices[0]], positions[loops.vertices[first_held]]
        for index in range(1, first_held):
            share = index / first_held
            positions[loops.vertices[index]] = project_to_head((1 - share) * outer + share * inner)
    rows = {vertex: key for key, vertex in number.items()}
    for vertex, (row, _column) in rows.items():
        if row in (0, ROWS):
            held[vertex] = True
    middle = np.array([vertex for (_row, column), vertex in number.items() if column in (0, HALF_COLUMNS)])
    smooth = _neighbours(faces, count)
    free = ~held
    for step in range(40):
        target = smooth @ positions
        positions[free] += 0.6 * (target - positions)[free]
        positions[middle, 0] = 0.0
        if step % 4 == 3:
            positions[free] = project_to_head(positions[free], 2)
    positions[free] = project_to_head(positions[free], 4)
    # Near the held loops the skin leaves the field and blends smoothly into lips and lids.
    quads = np.array([face if len(face) == 4 else [*face, face[-1]] for face in faces])
    flowing = np.zeros(count, dtype=bool)
    for loops, first_held in (
        (mouth, mouth.first("border_outer")),
        (left, left.first("fold_outer")),
        (right, right.first("fold_outer")),
    ):
        flowing[loops.vertices[:first_held].ravel()] = True
    for _ in range(2):
        flowing |= (smooth @ flowing.astype(float) > 0) & free
    positions = SkinSolver(positions, quads).spread(~flowing, positions)
    return Surface(positions, quads, mouth, left, right)


__all__ = ["Loops", "Surface", "build_surface", "eye_points", "lid_angles", "mouth_chain", "seam_height", "spread"]
