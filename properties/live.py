# SPDX-License-Identifier: GPL-3.0-or-later
"""The live settings of a scene: where faces come from, what they move, where they go."""

# Blender reads properties from annotations, which a type checker takes for types.
# pyright: reportInvalidTypeForm=false

from typing import Any

import bpy

from ..animation.face.channels import REGIONS

SOURCES = (
    ("MICROPHONE", "Microphone", "Your voice moves the face while you speak"),
    ("FILE", "File", "A sound file plays as if it were spoken now"),
    ("LLF", "Live Link Face", "Epic's app on an iPhone sends your face. Port 11111"),
    ("IFM", "iFacialMocap", "The app on a phone sends your face once it is asked. Port 49983"),
    ("VMC", "VMC", "A tracker sends a face by OSC, as VSeeFace and others do. Port 39539"),
)
PHONES = ("LLF", "IFM", "VMC")
LOOK_AHEADS = (
    ("0", "0 ms", "The face follows at once, and guesses more: fewer closed lips at p, b and m"),
    ("60", "60 ms", "A face a little late, which hears how a sound begins"),
    ("120", "120 ms", "The surest mouth, and the latest. Switch Monitor on to hear yourself as late as it shows"),
)


def _find_devices(_group: Any, _context: Any, _text: str) -> list[str]:
    if session_devices is None:
        return []
    return session_devices()


session_devices: Any = None
"""Lists the microphones; set by the operators, because nothing here may open one."""


class VOXRIG_PG_live(bpy.types.PropertyGroup):
    """Where faces come from, what they move, where they go."""

    source: bpy.props.EnumProperty(name="From", description="Where the live face comes from", items=SOURCES, options=set())
    device: bpy.props.StringProperty(
        name="Device",
        description="The microphone. Empty: the system's own choice",
        search=_find_devices,
        search_options={"SUGGESTION"},
        options=set(),
    )
    sound_file: bpy.props.StringProperty(
        name="Sound", description="The sound that plays as if it were spoken now", subtype="FILE_PATH", options=set()
    )
    gate: bpy.props.FloatProperty(
        name="Gate",
        description="Sound quieter than this, in decibels of full scale, counts as silence. At -80 everything is heard",
        default=-60.0,
        min=-80.0,
        max=-10.0,
        options=set(),
    )
    look_ahead: bpy.props.EnumProperty(
        name="Look-ahead",
        description="How much the model hears beyond the instant that the face shows: more is surer, and later",
        items=LOOK_AHEADS,
        default="60",
        options=set(),
    )
    host: bpy.props.StringProperty(
        name="Listen On",
        description="Address of this computer on which faces may arrive. 0.0.0.0 is every one, 127.0.0.1 only this computer",
        default="0.0.0.0",
        options=set(),
    )
    port: bpy.props.IntProperty(
        name="Port", description="Port on which faces arrive. 0 is the protocol's own", min=0, max=65535, options=set()
    )
    phone: bpy.props.StringProperty(
        name="Phone", description="Address that the app on the phone shows, which waits to be asked", options=set()
    )
    with_sound: bpy.props.BoolProperty(
        name="Record Sound", description="Record the microphone together with the face of the phone", options=set()
    )
    monitor: bpy.props.BoolProperty(
        name="Monitor",
        description="Hear the sound as late as the face shows it, so that both agree. With a microphone use headphones",
        options=set(),
    )
    regions: bpy.props.EnumProperty(
        name="Move",
        description="Face parts that the live face moves. None chosen: all. Hold Shift to choose several",
        items=[(region.upper(), region.title(), f"Controls of the {region}") for region in REGIONS],
        options={"ENUM_FLAG"},
        default=set(),
    )
    send: bpy.props.StringProperty(
        name="Send To",
        description="Addresses that the face is sent to as well, such as 'vmc://127.0.0.1:39539' or 'llf://192.168.1.20'. "
        "Empty: nowhere",
        options=set(),
    )
