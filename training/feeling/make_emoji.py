# SPDX-License-Identifier: GPL-3.0-or-later
"""Write ``animation/feeling/emoji.json``: ``python -m voxrig.training.feeling.make_emoji --data emojibase-data/en/data.json``.

Names are those of Unicode's CLDR as npm's emojibase-data 17 has them (MIT; names Unicode-3.0). The feelings were chosen here.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

# Each line: feelings with weights 0 to 1, then the smileys that show them; a leading "wink", "closed" and so on names eyes.
_FACES = """
joy .55: 🙂 ☺ 😙 😗 👻 🤠 🤖 👽 👾 😺 🫡 🤓
joy .7: 😀 😃 😊 😇 🤗 😋 😎 😽 🤑
joy .85: 😄 😁 😸 🥰 😍 😻 😘 😚 😛 😜 🤩 🥳 💃
joy 1: 😆 😂 🤣 😹 🤪 😝
joy .6 surprise .25: 🤭 🥸
joy .5 contempt .25: 😉 🙃 😼
joy .5 anger .3: 😈
joy .5 fear .3: 😅
joy .55 sadness .35: 🥲 🥹
joy .35 tired .15: 😌
neutral: 😐 😑 😶 🤐 🫥 🤔 🤫 😷 🧐
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
fear .45 surprise .35: 😬 🫨
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
            table[face] = {"name": names[face], "emotions": weights}
    about = (
        "What smileys feel, weights 0 to 1 of the model's emotions. Names: Unicode CLDR 48 short names (Unicode-3.0), as in "
        "npm emojibase-data 17.0.0 (MIT). Feelings: chosen for Voxrig (CC0). Made by training/feeling/make_emoji.py."
    )
    lines = ",\n  ".join(f"{json.dumps(face, ensure_ascii=False)}: {json.dumps(entry)}" for face, entry in table.items())
    options.output.write_text(f'{{\n "about": {json.dumps(about)},\n "faces": {{\n  {lines}\n }}\n}}\n', encoding="utf-8")
    left = [face for face, name in names.items() if "face" in name and face not in table]
    print(f"{len(table)} faces; with 'face' in the name but not here: {' '.join(left)}")


if __name__ == "__main__":
    main()
