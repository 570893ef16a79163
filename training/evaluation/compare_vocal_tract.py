# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the rules' poses with those of a vocal tract: ``python -m voxrig.training.evaluation.compare_vocal_tract``.

VocalTractLab (Birkholz 2013) keeps the shape of a real vocal tract (speaker JD3, from MRI) for each German phone;
consonants have one for each of the neighbours a, i and u, which are averaged. Its lip distance, lip protrusion and jaw
angle are compared with the aperture, the rounding (pucker and funnel) and the jaw of Voxrig's poses: rank correlation over
the phones that both have, and the phones that are furthest apart as z-scores. Only shapes are compared, because the
library's own conversion of phones to motion never finishes on plosives. Needs PyPI ``vocaltractlab-cython`` (0.0.17), which
nothing else does, so ``make training`` leaves it out.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from ...animation.face.articulation import load_settings

VOWELS: dict[str, str] = {
    "AA": "a", "AE": "E:", "AH": "@", "AO": "O", "EE": "e", "EH": "E", "ER": "6", "IH": "I", "IY": "i", "OE": "2",
    "OO": "o", "UH": "U", "UW": "u", "UX": "y",
}  # fmt: skip
CONSONANTS: dict[str, str] = {
    "P": "ll-labial-closure", "B": "ll-labial-closure", "M": "ll-labial-closure", "F": "ll-dental-fricative",
    "V": "ll-dental-fricative", "TH": "tt-dental-fricative", "DH": "tt-dental-fricative", "T": "tt-alveolar-closure",
    "D": "tt-alveolar-closure", "N": "tt-alveolar-closure", "L": "tt-alveolar-lateral", "S": "tt-alveolar-fricative",
    "Z": "tt-alveolar-fricative", "SH": "tt-postalveolar-fricative", "ZH": "tt-postalveolar-fricative",
    "CH": "tt-postalveolar-closure", "JH": "tt-postalveolar-closure", "Y": "tb-palatal-fricative",
    "K": "tb-velar-closure", "G": "tb-velar-closure", "NG": "tb-velar-closure",
}  # fmt: skip

TRACKS: dict[str, tuple[str, float, tuple[str, ...]]] = {
    "lip distance": ("LD", 1.0, ("lipAperture",)),
    "protrusion": ("LP", 1.0, ("mouthPucker", "mouthFunnel")),
    "jaw": ("JA", -1.0, ("jawOpen",)),
}
"""The tract's parameter, its sign, and the columns of Voxrig's poses that sum to the same quantity."""


def tract_shapes() -> dict[str, dict[str, float]]:
    """Return the tract's parameters by phone: centimetres for LD, degrees for JA."""
    import vocaltractlab_cython as vocal_tract

    names = [parameter["name"] for parameter in vocal_tract.get_param_info("tract")]
    wanted = {phone: (shape,) for phone, shape in VOWELS.items()}
    wanted |= {phone: tuple(f"{shape}({vowel})" for vowel in "aiu") for phone, shape in CONSONANTS.items()}
    found: dict[str, dict[str, float]] = {}
    for phone, shapes in wanted.items():
        mean = np.mean([vocal_tract.get_shape(shape, "tract") for shape in shapes], axis=0)
        found[phone] = dict(zip(names, map(float, mean), strict=True))
    return found


def main() -> None:
    """Print the correlations and the phones that are furthest apart."""
    shapes, ours = tract_shapes(), load_settings()["phones"]
    for title, (parameter, sign, columns) in TRACKS.items():
        for kind, phones in {"vowels": VOWELS, "consonants": CONSONANTS}.items():
            tract = np.array([sign * shapes[phone][parameter] for phone in phones])
            rules = np.array([sum(ours[phone]["pose"].get(column, 0.0) for column in columns) for phone in phones])
            apart = (rules - rules.mean()) / rules.std() - (tract - tract.mean()) / tract.std()
            order = np.argsort(-np.abs(apart))[:4]
            furthest = ", ".join(f"{list(phones)[row]} {apart[row]:+.1f}" for row in order)
            print(
                f"{title}, {kind}: rank correlation {spearmanr(tract, rules).statistic:.2f}; rules above the tract: {furthest}"
            )


if __name__ == "__main__":
    main()
