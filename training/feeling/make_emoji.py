# SPDX-License-Identifier: GPL-3.0-or-later
"""Write ``animation/feeling/emoji.json``: ``python -m voxrig.training.feeling.make_emoji --data emojibase-data/en/data.json``.

Names are those of Unicode's CLDR as npm's emojibase-data 17 has them (MIT; names Unicode-3.0). The feelings were chosen here.
So were the gestures, which a word of the name asks for: a wink, a tongue, closed eyes. Every emoji of Unicode's subgroups of
faces must have an entry.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

# Each line: feelings with weights 0 to 1, then the smileys that show them.
_FACES = """
joy .55: 🙂 ☺ 😙 😗 👻 🤠 🤖 👽 👾 😺 🫡 🤓 💩
joy .7: 😀 😃 😊 😇 🤗 😋 😎 😽 🤑
joy .85: 😄 😁 😸 🤡 🥰 😍 😻 😘 😚 😛 😜 🤩 🥳 💃
joy 1: 😆 😂 🤣 😹 🤪 😝
joy .6 surprise .25: 🤭 🥸
joy .5 contempt .25: 😉 🙃 😼
joy .5 anger .3: 😈
joy .5 fear .3: 😅
joy .55 sadness .35: 🥲 🥹
joy .35 tired .15: 😌
joy .3: 🙂‍↕
sadness .2 contempt .2: 🙂‍↔
tired .3: 🤤
neutral: 😐 😑 😶 😶‍🌫 🤐 🫥 🤔 🤫 😷 🧐 💀 ☠
contempt .7: 😏 🙄
contempt .5 anger .2: 😒
contempt .4 surprise .25: 🤨
contempt .35 fear .2: 🤥
sadness .45: 🙁 😕 🫤 😔 😞
sadness .6: ☹ 😓 🥺 😥
sadness .8: 😢 😿
sadness 1: 😭
sadness .6 disgust .15: 😣 😖
sadness .5 tired .5: 😩 😫
anger .5: 😤
anger .7: 😠 😾 👿
anger .9: 😡 👺 👹
anger 1: 🤬
fear .5: 😟 🫣 🙈 🙊 🙉
fear .7: 😧 😰 😦
fear .85: 😨
fear .9 surprise .35: 😱 🙀
fear .45 surprise .35: 😬 🫨 🫪
disgust .75: 🤢
disgust 1: 🤮
disgust .35 tired .2: 🤧 😵‍💫 🥴
surprise .55: 😯 😮 🫢
surprise .8: 😲 😳
surprise 1: 🤯
tired .5: 😪 🤒 🤕 😮‍💨
tired .7: 🫩 🥱 😵
tired .9: 😴 💤
tired .35 fear .25: 🥶 🥵 🫠
"""

# What a name asks of a face beside its feeling: a pattern in the name, then ARKit's shapes; "Both" stands for both sides.
_GESTURES: tuple[tuple[str, dict[str, float]], ...] = (
    (r"\bwinking", {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.7, "mouthSmileLeft": 0.25}),
    (r"peeking", {"eyeBlinkRight": 1.0, "eyeSquintLeft": 0.3}),
    (
        r"closed eyes|sleeping|sneezing|see-no-evil|crossed-out|relieved face$|pensive|^expressionless|yawning",
        {"eyeBlinkBoth": 1.0},
    ),
    (r"exhaling|head shaking|savoring|holding back", {"eyeBlinkBoth": 0.45}),
    (
        r"squinting|persevering|confounded|weary|tears of joy|rolling on|^tired",
        {"eyeBlinkBoth": 0.9, "eyeSquintBoth": 0.8, "cheekSquintBoth": 0.6},
    ),
    (r"smiling eyes", {"eyeSquintBoth": 0.8, "eyeBlinkBoth": 0.35, "cheekSquintBoth": 0.7}),
    (r"sleepy|drooling|bags under|woozy|melting|thermometer|bandage", {"eyeBlinkBoth": 0.5}),
    (r"big eyes|open eyes|star-struck|flushed|screaming|exploding|pleading|spiral|distorted", {"eyeWideBoth": 0.8}),
    (r"spiral|zany", {"eyeLookInBoth": 0.7}),
    (r"zany", {"eyeWideLeft": 0.9, "eyeSquintRight": 0.8, "browOuterUpLeft": 0.6}),
    (r"woozy", {"eyeBlinkLeft": 0.8, "browOuterUpRight": 0.6, "mouthLeft": 0.5}),
    (r"rolling eyes", {"eyeLookUpBoth": 1.0, "browOuterUpBoth": 0.4}),
    (r"unamused|smirking|lying|wry", {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8}),
    (
        r"thinking",
        {
            "eyeLookUpBoth": 0.6,
            "eyeLookOutLeft": 0.4,
            "eyeLookInRight": 0.4,
            "mouthLeft": 0.4,
            "browOuterUpLeft": 0.7,
            "browDownRight": 0.5,
        },
    ),
    (r"pensive|downcast|disappointed", {"eyeLookDownBoth": 0.7}),
    (r"raised eyebrow|monocle", {"browOuterUpLeft": 1.0, "browDownRight": 0.6, "eyeSquintRight": 0.4}),
    (r"sunglasses|saluting|nerd", {"browOuterUpBoth": 0.35}),
    (r"tongue|zany|savoring", {"tongueOut": 1.0, "jawOpen": 0.3}),
    (r"hot face", {"tongueOut": 1.0, "jawOpen": 0.4}),
    (r"vomiting", {"tongueOut": 0.8, "jawOpen": 0.6}),
    (r"savoring|drooling|diagonal|money-mouth", {"mouthRight": 0.5}),
    (r"kiss", {"mouthPucker": 1.0, "mouthFunnel": 0.1}),
    (r"exhaling|sneezing|steam", {"mouthFunnel": 0.3, "mouthPucker": 0.5, "cheekPuff": 0.3}),
    (r"shushing", {"mouthPucker": 0.8, "mouthFunnel": 0.3}),
    (
        r"zipper|medical mask|without mouth|clouds|dotted|^expressionless|speak-no-evil|hear-no-evil",
        {"mouthPressBoth": 0.8, "mouthRollUpper": 0.7, "mouthRollLower": 0.7},
    ),
    (r"nauseated|hand over", {"cheekPuff": 0.5, "mouthPressBoth": 0.5}),
    (
        r"grimacing|shaking face|clown|skull|cold face|beaming|symbols",
        {"mouthStretchBoth": 0.8, "mouthUpperUpBoth": 0.5, "mouthLowerDownBoth": 0.6},
    ),
    (r"clown", {"mouthSmileBoth": 0.5, "browOuterUpBoth": 0.8}),
    (
        r"grinning|tears of joy|rolling on|partying|open hands|star-struck|smiling face with horns",
        {"jawOpen": 0.25, "mouthUpperUpBoth": 0.3},
    ),
    (r"open mouth|hushed|astonished|distorted|spiral|knocked|crossed-out|sleeping|anguished", {"jawOpen": 0.3}),
    (r"screaming|exploding|loudly|yawning|weary|^tired|ogre", {"jawOpen": 0.6}),
    (r"yawning", {"mouthFunnel": 0.3, "browInnerUp": 0.5}),
    (r"pleading|holding back|crying|sad but|anxious|worried|thermometer|bandage", {"browInnerUp": 0.8}),
    (r"steam|enraged|pouting|angry", {"noseSneerBoth": 0.5}),
    (r"goblin|confused", {"mouthLeft": 0.35}),
    (r"upside-down", {"mouthDimpleBoth": 0.4}),
)


def find_gestures(name: str) -> dict[str, float]:
    """Return the shapes that the words of a smiley's name ask for, the strongest of each."""
    found: dict[str, float] = {}
    for pattern, shapes in _GESTURES:
        if re.search(pattern, name):
            for shape, value in shapes.items():
                sides = [shape.replace("Both", side) for side in ("Left", "Right")] if "Both" in shape else [shape]
                for one in sides:
                    found[one] = max(found.get(one, 0.0), value)
    return found


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("animation/feeling/emoji.json"))
    options = parser.parse_args()
    entries: list[dict[str, Any]] = json.loads(options.data.read_text(encoding="utf-8"))
    names = {entry["emoji"].replace("\ufe0f", ""): entry["label"] for entry in entries}
    table: dict[str, dict[str, Any]] = {}
    for line in _FACES.strip().splitlines():
        feelings, _, faces = line.partition(":")
        words = feelings.split()
        weights = {} if words == ["neutral"] else {words[i]: float(words[i + 1]) for i in range(0, len(words), 2)}
        for face in faces.split():
            shapes = find_gestures(names[face])
            table[face] = {"name": names[face], "emotions": weights} | ({"pose": shapes} if shapes else {})
    about = (
        "What smileys feel, weights 0 to 1 of the model's emotions, and what else their faces do, as ARKit shapes. Names: "
        "Unicode CLDR 48 short names (Unicode-3.0), as in npm emojibase-data 17.0.0 (MIT). Feelings and poses: chosen for "
        "Voxrig (CC0). Made by training/feeling/make_emoji.py."
    )
    lines = ",\n  ".join(f"{json.dumps(face, ensure_ascii=False)}: {json.dumps(entry)}" for face, entry in table.items())
    options.output.write_text(f'{{\n "about": {json.dumps(about)},\n "faces": {{\n  {lines}\n }}\n}}\n', encoding="utf-8")
    left = [face for face, name in names.items() if "face" in name and face not in table]
    posed = sum("pose" in entry for entry in table.values())
    print(f"{len(table)} faces, {posed} with a pose of their own; with 'face' in the name but not here: {' '.join(left)}")


if __name__ == "__main__":
    main()
