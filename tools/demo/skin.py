# SPDX-License-Identifier: GPL-3.0-or-later
"""Continue motions smoothly over a mesh, between the parts that are placed or moved by hand. No Blender."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from .sculpt import Points

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class SkinSolver:
    """A solver that spreads motions of some vertices smoothly over the others (biharmonic, cotangent weights).

    ``faces`` are quads ``[face, 4]``; a triangle repeats its last vertex.
    """

    def __init__(self, positions: Points, faces: NDArray[np.int64]) -> None:
        count = len(positions)
        # Every quad is cut along both diagonals, each counting half, so that mirror images stay mirror images.
        triangles = np.concatenate([faces[:, corners] for corners in ([0, 1, 2], [0, 2, 3], [1, 2, 3], [0, 1, 3])])
        triangles = triangles[(triangles[:, 0] != triangles[:, 2]) & (triangles[:, 1] != triangles[:, 2])]
        stiffness = sparse.csr_matrix((count, count))
        area = np.zeros(count)
        for k in range(3):
            i, j, opposite = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
            a, b = positions[i] - positions[opposite], positions[j] - positions[opposite]
            cross = np.maximum(np.linalg.norm(np.cross(a, b), axis=1), 1e-4)
            weight = np.clip(np.einsum("ij,ij->i", a, b) / cross, 0.02, 20.0) / 4.0
            stiffness = (
                stiffness
                + sparse.csr_matrix((weight, (i, j)), shape=(count, count))
                + sparse.csr_matrix((weight, (j, i)), shape=(count, count))
            )
            np.add.at(area, i, cross / 12.0)
        laplacian = sparse.diags(np.asarray(stiffness.sum(axis=1)).ravel()) - stiffness
        self._matrix = sparse.csc_matrix(laplacian @ sparse.diags(1.0 / np.maximum(area, 1e-3)) @ laplacian)
        self._solvers: dict[bytes, object] = {}

    def spread(self, held: Mask, values: Floats) -> Floats:
        """Return ``values`` ``[vertex, n]`` where ``held``, and their smoothest continuation elsewhere."""
        free = ~held
        key = np.packbits(held).tobytes()
        rows = self._matrix[free]
        if key not in self._solvers:
            self._solvers[key] = splu(
                rows[:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0
            )
        solver = self._solvers[key]
        result = np.array(values, dtype=np.float64)
        result[free] = solver.solve(-(rows[:, held] @ result[held]))  # type: ignore[attr-defined]
        return result
