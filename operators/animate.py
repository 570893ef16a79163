# SPDX-License-Identifier: GPL-3.0-or-later
"""Animate from Audio: the function behind the button, the command line and scripts, and the button.

The work has three steps, because Blender's data belongs to the main thread: ``gather`` reads the scene,
``takes.job.compute`` does not use Blender and may run anywhere, and ``write`` inserts the keyframes. Nothing changes before
``write``, and whatever could make ``write`` fail is checked first.
"""

import contextlib
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from ..animation.keys.dense import DenseTake
from ..animation.keys.retiming import Retiming, is_same_text, make_retiming
from ..animation.rig.mapping import Mapping, Target
from ..animation.rig.recognition import UNSURE
from ..animation.script.subtitles import find_speaker
from ..blender import actions, rigs, sounds, witness
from ..blender import scene as scenes
from ..blender.compare import is_on_top, is_shown
from ..blender.life import LAYER, find_layered
from ..blender.marks import find_action, write_marks
from ..blender.outputs import Output, find_home, fit_strip
from ..blender.registering import make_registration
from ..blender.takes import TakeReport, find_edited, write_take
from ..blender.targets import explain_no_match
from ..errors import AudioError, ModelError, RigError, VoxrigError
from ..inference.diffusion import Pin
from ..properties.access import character_settings, scene_settings
from ..properties.links import active_mapping, find_owner, store_mapping
from ..properties.models import OTHER_FOLDER, chosen_model
from ..properties.session import Run, session
from ..properties.settings import read_settings, read_sound_choice
from ..properties.takes import calm_of, has_lived, next_take_title, read_take, store_take
from ..properties.words import store_words
from ..takes.curves import FILMED_REGIONS, NOT_FILMED
from ..takes.drawing import DrawnModel, make_drawn
from ..takes.hearing import forget_heard
from ..takes.job import Job, check_emotion, compute, share_regions
from ..takes.living import NOTHING, Listener, LivingModel, make_living, names_in_looks
from ..takes.models import describe_package
from ..takes.record import CurvesFile, Listening, SoundChoice, SoundStrip, TakeRecord, write_record
from ..takes.scripting import list_words, make_scripted
from ..takes.settings import PARTS_OF_HEAD, Scope, TakeSettings
from ..takes.shaping import Part, Place, Take
from ..takes.sources import CancelCheck, CurvesFromFile, Description, Progress, Sound, Source, describe_model, make_source
from .background import BackgroundOperator, Work
from .base import NO_CHARACTER, VoxrigOperator
from .learned import map_learned, warn_of_missing
from .life import add_life_links, look_around
from .mapping import find_character, match_channels
from .markers import write_phone_markers
from .redo import RedoSettings
from .show import ShowingTake

# Eyes turn to a new speaker about this long after the first sound.
_REACTION_SECONDS = 0.25
_LISTENING_FADE_SECONDS = 0.4
# A take bends to the artist's keys within this time: about the length of a vowel.
_PIN_SECONDS = 0.16
# Recordings of one line share at least this part of the shorter one's frames.
_SAME_PLACE = 0.5


def animate_character(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    sound: SoundChoice,
    model_folder: str | Path,
    settings: TakeSettings | None = None,
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
    scope: Scope | None = None,
) -> Take:
    """Animate a character from a sound and return what was written.

    The character's mapping is used if it has one; else the model's channels are matched by name, and that mapping is stored
    on the character, as is the take. ``scope`` limits what is written and determines what happens to the artist's own keys,
    which are kept by default. ``on_progress`` is called with 0..1. Raises VoxrigError for problems that the user can fix
    and Cancelled soon after ``is_cancelled`` returns True; nothing has changed then.
    """
    settings, scope = settings or TakeSettings(), scope or Scope()
    replaced = find_replaced(scene, character_object, sound, settings, scope)
    job = gather(scene, character_object, sound, model_folder, settings, scope, take=replaced)
    return write(scene, job, compute(job, on_progress, is_cancelled))


def gather(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    sound: SoundChoice,
    model_folder: str | Path,
    settings: TakeSettings,
    scope: Scope | None = None,
    mapping: Mapping | None = None,
    take: str = "",
    beside: str = "",
) -> Job:
    """Gather everything that a take is made from out of Blender's data. Main thread; changes nothing; raises VoxrigError.

    ``mapping`` is the character's own by default; ``take`` names a take of its list to make again, and ``beside`` is the mark
    of a take whose place a new one goes to.
    """
    scope = scope or Scope()
    if settings.script and not settings.speaker:
        settings = replace(settings, speaker=find_speaker(settings.script, character_object.name))
    calm = bpy.path.abspath(settings.calm) if settings.calm else calm_of(character_object)
    settings = replace(settings, calm=os.path.abspath(calm) if calm else "")
    model_folder = Path(model_folder)
    folders = (model_folder, *(chosen.folder for chosen in settings.region_models))
    models = [describe_model(describe_package(folder)) for folder in folders]
    check_emotion(settings, models)
    scenes.check_time_stretching(scene)
    place, content, sound_name = find_sound(scene, sound)
    place = place_among_lines(character_object, place, take)
    marks = ((place.seconds_of(frame), words) for frame, words in styles_of(scene, character_object))
    place = replace(place, styles=tuple(marks))
    bare = Job(character_object.name, (), place, model_folder, settings, sound, sound_name, scope, take=take, beside=beside)
    stills = settings.life <= 0.0 and has_lived(character_object)
    looks: list[tuple[float, str]] = []
    source: Source
    if isinstance(sound, Listening):
        source, looks = hear_others(scene, sound, model_folder)
    else:
        drawn = make_drawn(make_source(sound, content, model_folder, bare.emotion, settings), settings)
        source = make_living(make_scripted(drawn, settings), settings, stills=stills)
    notes: tuple[str, ...] = ()
    surroundings, layered = NOTHING, frozenset[Target]()
    description = source.describe()
    missing: tuple[str, ...] = ()
    if mapping is None:
        mapping, missing = map_source(character_object, description)
    is_new_mapping = not mapping.links
    if is_new_mapping:
        mapping = match_channels(character_object, description).mapping
    if description.is_living:
        mapping, notes = add_life_links(character_object, mapping, description, is_listening=isinstance(sound, Listening))
        names = names_in_looks(settings, description) if settings.life > 0.0 else ()
        notes = notes if settings.life > 0.0 else ()
        if scope.output != "LAYER":
            layered, told = find_layered(mapping)
            notes = (*notes, *([told] if told else []))
        surroundings, unseen = look_around(
            scene,
            character_object,
            mapping,
            place,
            source.seconds if isinstance(source, Listener) else content.promised_seconds() if names else None,
            (*names, *(name for _, name in looks if name not in names)),
            settings.look_at or (looks[0][1] if looks else ""),
            looks[1:],
            layered,
        )
        notes = (*notes, *unseen)
    check_mapping(mapping, description, character_object)
    warnings = (*warn_of_missing(character_object.name, description, missing), *notes)
    source = pin_edited(source, mapping, place, scope, beside or _mark_of(character_object, take))
    main = Part(source, mapping, warnings=warnings, surroundings=surroundings)
    others: list[tuple[Part, tuple[str, ...]]] = []
    for chosen, theirs in zip(settings.region_models, models[1:]) if not looks else ():
        their_mapping, missing = map_source(character_object, theirs)
        warnings = warn_of_missing(character_object.name, theirs, missing)
        drawn = make_drawn(make_source(sound, content, chosen.folder, bare.emotion, settings), settings)
        drawn = pin_edited(drawn, their_mapping, place, scope, beside or _mark_of(character_object, take))
        part = Part(drawn, their_mapping, warnings=warnings)
        others.append((part, chosen.regions))
    if settings.film and not isinstance(sound, (Listening, CurvesFile)):
        others.append(film_part(character_object, settings.film, model_folder, content))
    parts = share_regions(main, others, scope)
    return replace(bare, parts=parts, is_new_mapping=is_new_mapping, layered=layered)


def film_part(character_object: bpy.types.Object, film: str, model_folder: Path, sound: Sound) -> tuple[Part, tuple[str, ...]]:
    """Return the part of a take that a filmed face drives, and its regions, those that it has. Raises VoxrigError."""
    source = CurvesFromFile(Path(bpy.path.abspath(film)), model_folder, sound.promised_seconds())
    description = source.describe()
    regions = tuple(name for name in FILMED_REGIONS if any(channel.region == name for channel in description.channels))
    if not regions:
        raise ModelError(NOT_FILMED.format(description.title))
    mapping, missing = map_source(character_object, description)
    if not mapping.links:
        mapping = match_channels(character_object, description).mapping
    mapping, _ = add_life_links(character_object, mapping, description)
    return Part(source, mapping, warnings=warn_of_missing(character_object.name, description, missing)), regions


def _mark_of(character_object: bpy.types.Object, take: str) -> str:
    stored = character_settings(character_object).takes.get(take) if take else None
    return stored.mark if stored is not None else ""


def pin_edited(source: Source, mapping: Mapping, place: Place, scope: Scope, mark: str) -> Source:
    """Return a drawn source whose take passes through the artist's own keys, unless these are to be replaced.

    Only keys of controls that one channel alone drives, straight, say which value the channel must have.
    """
    if isinstance(source, LivingModel):
        return replace(source, model=pin_edited(source.model, mapping, place, scope, mark))
    if not isinstance(source, DrawnModel) or scope.replace_edited:
        return source
    active = [link for link in mapping.links if link.enabled]
    shared = {link.target for i, link in enumerate(active) for other in active[:i] if other.target == link.target}
    pins: dict[tuple[str, float], Pin] = {}
    for link in active:
        if link.target in shared or link.ease != 0.0 or link.gain == 0.0:
            continue
        for frame, value in find_edited(link.target, mark):
            seconds = place.seconds_of(frame)
            pins[link.channel, seconds] = Pin(seconds, link.channel, (value - link.rest - link.offset) / link.gain)
    return source.with_pins(tuple(sorted(pins.values(), key=lambda pin: (pin.channel, pin.seconds))))


def find_sound(scene: bpy.types.Scene, choice: SoundChoice) -> tuple[Place, Sound, str]:
    """Find a chosen sound: its place in the scene, its content on disk, and its name. Raises AudioError."""
    fps = scenes.frames_per_second(scene)
    if isinstance(choice, SoundStrip):
        span = sounds.strip_span(find_strip(scene, choice.name))
        if span.muted:
            raise AudioError(f"The sound strip '{choice.name}' is muted; unmute it or choose another one")
        content = span.packed if span.packed is not None else str(span.path)
        sound = Sound(content, span.offset_seconds, span.duration_seconds, sounds.decode_with_blender)
        return Place(float(span.start_frame), fps), sound, choice.name
    if isinstance(choice, Listening):
        _, heard, _ = find_sound(scene, SoundStrip(choice.strips[0]))
        return Place(choice.start_frame, fps), heard, choice.label
    path = bpy.path.abspath(choice.path)
    return Place(float(choice.start_frame), fps), Sound(path, decode=sounds.decode_with_blender), Path(path).name


def hear_others(scene: bpy.types.Scene, choice: Listening, model_folder: Path) -> tuple[Listener, list[tuple[float, str]]]:
    """Return the source of somebody who listens, and the times to look at who speaks. Raises AudioError."""
    fps = scenes.frames_per_second(scene)
    lines: list[tuple[float, Sound]] = []
    looks: list[tuple[float, str]] = []
    for strip, speaker in zip(choice.strips, choice.speakers, strict=True):
        place, sound, _ = find_sound(scene, SoundStrip(strip))
        start = (place.start_frame - choice.start_frame) / fps
        lines.append((start, sound))
        if not looks or looks[-1][1] != speaker:
            looks.append((max(start + _REACTION_SECONDS, 0.0), speaker))
    return Listener(model_folder, tuple(lines), (choice.end_frame - choice.start_frame) / fps), looks


def place_among_lines(character_object: bpy.types.Object, place: Place, take: str) -> Place:
    """Return the place with the other lines of the character: the takes of its list but ``take``."""
    lines: list[tuple[int, int]] = []
    for stored in character_settings(character_object).takes:
        if stored.name == take:
            continue
        with contextlib.suppress(VoxrigError):  # what is wrong with it is shown in the list
            record = read_take(stored)
            if not isinstance(record.sound, Listening):
                lines.append(record.sound_frames)
    return replace(place, other_lines=tuple(lines))


STYLE_MARK = "style"


def styles_of(scene: bpy.types.Scene, character_object: bpy.types.Object) -> list[tuple[int, str]]:
    """Return frames and words of the scene's markers 'style WORDS', for all or as 'style CHARACTER: WORDS' for this one.

    Each holds until the next one; 'style' alone returns to the style of the whole take.
    """
    found: list[tuple[int, str]] = []
    for marker in scene.timeline_markers:
        kind, _, words = marker.name.strip().partition(" ")
        if kind.casefold() != STYLE_MARK:
            continue
        whose, colon, rest = words.partition(":")
        if colon and scene.objects.get(whose.strip()) is not None:
            if whose.strip() != character_object.name:
                continue
            words = rest
        found.append((marker.frame, words.strip()))
    return sorted(found)


def find_strip(scene: bpy.types.Scene, name: str) -> Any:
    """Find a sound strip of the scene by name. Raises AudioError."""
    if not name:
        raise AudioError("No sound strip is chosen; choose one under Sound")
    for strip in sounds.list_sound_strips(scene):
        if strip.name == name:
            return strip
    raise AudioError(f"There is no sound strip '{name}' in scene '{scene.name}'; choose another one under Sound")


def map_source(character_object: bpy.types.Object, description: Description) -> tuple[Mapping, tuple[str, ...]]:
    """Return the mapping of a source on a character, and the controls that it was learned on and the character lacks.

    A learned model drives its own controls; others use the character's mapping, which may be empty. Raises RigError.
    """
    if description.targets:
        return map_learned(character_object, description)
    return active_mapping(character_object), ()


def check_mapping(mapping: Mapping, description: Description, character_object: bpy.types.Object) -> None:
    """Raise RigError unless the mapping drives something with this source and every target of it can be animated."""
    names = description.channel_names
    if not mapping.links:
        raise RigError(explain_no_match(find_character(character_object), names, description.title))
    named = [link for link in mapping.links if link.channel in names]
    active = [link for link in named if link.enabled]
    if not named:
        raise RigError(
            f"The mapping of '{character_object.name}' uses no channel of '{description.title}', such as '{names[0]}'; "
            "run Match Channels for this model, or choose the model that the mapping is for"
        )
    if not active:
        unsure = all(link.confidence == UNSURE for link in named)
        why = f"all {len(named)} of them are unsure; look at them and" if unsure else "all of them are off;"
        raise RigError(
            f"No link of '{character_object.name}' to a channel of '{description.title}' is on, {why} tick those that are "
            "right in the Mapping panel, or load a mapping"
        )
    for target in dict.fromkeys(link.target for link in active):
        rigs.resolve(target)


def pin_reach(frames_per_second: float) -> float:
    """Return how many frames to each side a take bends to the artist's keys."""
    return max(2.0, _PIN_SECONDS * frames_per_second)


def write(scene: bpy.types.Scene, job: Job, take: Take, *, is_live: bool = False) -> Take:
    """Write the keyframes, and the mapping if it is new; returns the written take.

    Main thread. Controls that have a driver or are locked are left alone, with a warning. Unless it ``is_live``, another
    warning lists the controls that do not follow, with reasons (blender/witness.py). Raises RigError before any change.
    """
    character_object = scene.objects.get(job.character)
    if character_object is None:
        raise RigError(f"The character '{job.character}' is no longer in scene '{scene.name}'; choose another one")
    if job.is_new_mapping:
        for target in job.mapping.targets():
            find_owner(target)
    group = character_settings(character_object)
    stored = group.takes.get(job.take) if job.take else None
    mark = (stored.mark if stored is not None else "") or uuid.uuid4().hex
    title = stored.title if stored is not None else next_take_title(group)
    lower = [i for i, target in enumerate(take.dense.targets) if target in job.layered]
    upper = [i for i in range(len(take.dense.targets)) if i not in lower]
    retiming = follow_words(job, take, stored)
    layer = write_layer(job, take.dense.select(lower), mark, group.takes, title, retiming) if lower else None
    report = write_take(
        take.dense.select(upper) if lower else take.dense,
        name=mark,
        output=Output(
            job.scope.output,
            f"{job.character} {'Voice' if job.scope.output == 'ACTION' else title}",
            title,
            mark if stored is not None else job.beside,
        ),
        fade_frames=job.scope.fade_frames,
        pin_reach=pin_reach(job.place.frames_per_second),
        replace_edited=job.scope.replace_edited,
        rests={
            link.target: link.rest
            for part in (*job.parts[1:], job.parts[0])
            for link in reversed(part.mapping.links)
            if link.enabled
        },
        group_names=_group_by_region(job),
        still_keys=job.settings.still_keys,
        retiming=retiming,
    )
    if layer is not None:
        report = replace(
            report,
            curves=(*report.curves, *layer.curves),
            skipped=(*report.skipped, *layer.skipped),
            kept_count=report.kept_count + layer.kept_count,
            notes=(*report.notes, *layer.notes),
            moved_count=report.moved_count + layer.moved_count,
        )
    if not is_live:
        store_words(scene, take)
    if take.phones is not None:
        write_phone_markers(scene, job.character, take.phones, take.first_frame, take.last_frame)
    if take.marks or has_lived(character_object):
        action = find_action([target for target, _ in report.curves], mark)
        if action is not None:
            frames = [round(job.place.frame_of(at)) for _, at in take.marks]
            write_marks(action, mark, take.marks, frames, take.first_frame, take.last_frame)
    if job.is_new_mapping:
        store_mapping(character_object, job.mapping)
    take = replace(take, curves=report.curves, kept_count=report.kept_count, moved_count=report.moved_count)
    about = describe_take(job, *take.sound_frames)
    record = TakeRecord(
        job.choice,
        take.sound_hash,
        job.model_folder,
        job.settings,
        job.scope,
        job.mapping,
        take.first_frame,
        take.last_frame,
        take.frames_before,
        take.frames_after,
        tuple(word[:4] for word in take.words),
    )
    text = write_record(record)
    stored = store_take(character_object, job.take, mark, text, about, take.density())
    if not stored.is_shown:
        mark_shown(character_object, job.mapping)
    session.remember_overview(text, take.overview)
    take = replace(take, warnings=(*take.warnings, *report.notes))
    if not is_live:
        objects = find_character(character_object).objects
        targets = [target for target, _curve in report.curves]
        # A layer is not all that moves its bones.
        own = [(target, curve) for target, curve in report.curves if target not in job.layered]
        still = witness.tell_still(witness.find_still(objects, own, mark), len(targets))
        companions = witness.tell_companions(objects, targets)
        take = replace(take, warnings=(*take.warnings, *(word for word in (still, companions) if word)))
    if not report.skipped:
        return take
    skipped = {target for target, _reason in report.skipped}
    first = report.skipped[0][1]
    more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
    return replace(take, warnings=(*take.warnings, f"Left alone: {first}{more}"))


def describe_take(job: Job, first_frame: int, last_frame: int) -> str:
    """Describe a take in its row: 'line.wav, 1 to 48, lips, joy 0.6'."""
    parts = [job.sound_name, f"{first_frame} to {last_frame}", *job.scope.regions]
    for name, emotion in job.settings.emotion.items():
        if isinstance(emotion, (int, float)):
            parts += [f"{name} {emotion:.2g}"] if emotion > 0.0 else []
        elif any(weight > 0.0 for _frame, weight in emotion):
            parts.append(f"{name} keyed")
    return ", ".join(parts)


def _group_by_region(job: Job) -> dict[Target, str]:
    """Return the groups of new F-Curves: the face part of the first channel that drives each target."""
    names: dict[Target, str] = {}
    for part in job.parts:
        regions = {channel.name: channel.region for channel in part.source.describe().channels}
        for link in part.mapping.links:
            if link.enabled and link.channel in regions:
                names.setdefault(link.target, regions[link.channel].title())
    return names


def follow_words(job: Job, take: Take, stored: Any) -> Retiming | None:
    """Return how the artist's keys of a stored take follow its words to those of another recording, None if it is the same."""
    if stored is None or not take.words:
        return None
    from ..animation.script.alignment import FITTING

    with contextlib.suppress(VoxrigError):  # what is wrong with it is shown in the list
        record = read_take(stored)
        if (record.sound, record.sound_hash) != (job.choice, take.sound_hash):
            said = tuple(word[:4] for word in take.words)
            return make_retiming(record.words, said, record.first_frame, record.last_frame, FITTING)
    return None


def write_layer(
    job: Job, dense: DenseTake, mark: str, takes: Any, title: str, retiming: Retiming | None = None
) -> TakeReport | None:
    """Write what a take adds to bones that somebody animated: on one layer for all takes of a character.

    Returns None, with nothing changed but a note of that, where the NLA of the character allows no layer.
    """
    owners = {rigs.resolve(target).owner for target in dense.targets}
    homes = [f"{stored.mark}{LAYER}" for stored in reversed(takes)]
    home = next((one for one in homes if any(find_home(owner, one) for owner in owners)), "")
    output = Output("LAYER", f"{job.character} Life", f"{title} Life", home)
    try:
        actions.check_writable(dense.targets, output)
    except RigError as error:
        return TakeReport((), tuple((target, str(error)) for target in dense.targets[:1]), 0)
    name = f"{mark}{LAYER}"
    reach = pin_reach(job.place.frames_per_second)
    report = write_take(dense, name=name, output=output, pin_reach=reach, retiming=retiming)
    for owner in owners:
        fit_strip(owner, name)
    return report


def mark_shown(character_object: bpy.types.Object, mapping: Mapping) -> None:
    """Mark in the list which takes of a character are shown; ``mapping`` tells what belongs to it."""
    owners = {rigs.resolve(target).owner for target in mapping.targets()}
    for stored in character_settings(character_object).takes:
        stored.is_shown = is_shown(tuple(owners), stored.mark)


def gather_from_scene(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object | None = None,
    sound: SoundChoice | None = None,
    look_at: str = "",
    script: str = "",
    frames: tuple[int, int] | None = None,
) -> Job:
    """Gather with the scene's settings, except for a given character, sound, target of the eyes or script.

    Within ``frames``, first and last, the newest take there is replaced; elsewhere it stays as it is. Raises VoxrigError.
    """
    settings = scene_settings(scene)
    character_object = character_object or settings.character
    if character_object is None:
        raise RigError("No character is chosen; choose a mesh with shape keys or an armature under Character")
    model = chosen_model(settings)
    if model is None:
        raise ModelError("No model is chosen; choose one under Model")
    blend_frames = settings.output_blend if settings.output in ("STRIP", "LAYER") else 0.0
    scope = Scope(fade_frames=blend_frames, replace_edited=settings.replace_edited, output=settings.output)
    sound = sound or read_sound_choice(scene)
    chosen = read_settings(scene)
    if look_at and not chosen.look_at:
        chosen = replace(chosen, look_at=look_at)
    if script:
        chosen = replace(chosen, script=script)
    if isinstance(sound, Listening):
        scope = listening_scope(scene, scope)
    if frames is not None:
        scope = replace(scope, first_frame=frames[0], last_frame=frames[1], fade_frames=settings.retake_fade)
        below = find_take_below(character_object, frames)
        if below is not None:
            scope = replace(scope, output=read_take(below).scope.output)
            return gather(scene, character_object, sound, model.folder, chosen, scope, beside=below.mark)
    repeated = find_repeated(character_object, sound, chosen, scope) or find_replaced(
        scene, character_object, sound, chosen, scope
    )
    return gather(scene, character_object, sound, model.folder, chosen, scope, take=repeated)


def find_take_below(character_object: bpy.types.Object, frames: tuple[int, int]) -> Any | None:
    """Return the newest take of a character that has frames of a range, first and last; None for none."""
    for stored in reversed(character_settings(character_object).takes):
        with contextlib.suppress(VoxrigError):  # what is wrong with it is shown in the list
            record = read_take(stored)
            if record.first_frame <= frames[1] and record.last_frame >= frames[0]:
                return stored
    return None


def find_repeated(character_object: bpy.types.Object, sound: SoundChoice, settings: TakeSettings, scope: Scope) -> str:
    """Return the name of the take that a new one of the same line replaces in the list, '' for none.

    It is the newest of the same sound, seed, frames, face parts and output that is no favourite and lies on top: raising one
    from beneath would hide keys that the artist sees. Outputs that make an Action or a slot of their own replace nothing.
    """
    if scope.output in ("NEW_ACTION", "NEW_SLOT"):
        return ""
    wanted = (sound, settings.life_seed, replace(scope, fade_frames=0.0, replace_edited=False))
    for stored in reversed(character_settings(character_object).takes):
        with contextlib.suppress(VoxrigError):  # what is wrong with it is shown in the list
            record = read_take(stored)
            plain = replace(record.scope, fade_frames=0.0, replace_edited=False)
            if stored.is_favourite or (record.sound, record.settings.life_seed, plain) != wanted:
                continue
            owners = {rigs.resolve(target).owner for target in record.mapping.targets()}
            if is_on_top(tuple(owners), stored.mark):
                return stored.name
    return ""


def find_replaced(
    scene: bpy.types.Scene, character_object: bpy.types.Object, sound: SoundChoice, settings: TakeSettings, scope: Scope
) -> str:
    """Return the name of the take of another recording of the same words that a new one replaces, '' for none.

    It is the newest with the same words, face parts and output that is no favourite, lies on top, and is either at about the
    same place or of a strip that is gone or muted: a line may also be said twice in a scene. Raises AudioError.
    """
    words = list_words(settings)
    takes = character_settings(character_object).takes
    if not words or not len(takes) or isinstance(sound, Listening) or scope.output in ("NEW_ACTION", "NEW_SLOT"):
        return ""
    place, content, _ = find_sound(scene, sound)
    first = place.start_frame
    last = place.frame_of(content.promised_seconds() or 0.0)
    heard = {strip.name for strip in sounds.list_sound_strips(scene) if not sounds.is_muted(strip)}
    wanted = replace(scope, fade_frames=0.0, replace_edited=False)
    beside = _listening_marks(takes)
    for stored in reversed(takes):
        with contextlib.suppress(VoxrigError):  # what is wrong with it is shown in the list
            record = read_take(stored)
            if stored.is_favourite or record.sound == sound or isinstance(record.sound, Listening):
                continue
            if not is_same_text([word[2] for word in record.words], words):
                continue
            begin, end = record.sound_frames
            shared = min(end, last) - max(begin, first)
            is_gone = isinstance(record.sound, SoundStrip) and record.sound.name not in heard
            if not is_gone and shared < _SAME_PLACE * min(end - begin, last - first):
                continue
            owners = {rigs.resolve(target).owner for target in record.mapping.targets()}
            plain = replace(record.scope, fade_frames=0.0, replace_edited=False)
            if plain == wanted and is_on_top(tuple(owners), stored.mark, beside):
                return stored.name
    return ""


def find_old_listening(scene: bpy.types.Scene, character_object: bpy.types.Object, sound: Listening, scope: Scope) -> list[str]:
    """Return the names of takes that a new one of a character who listens replaces, one of them.

    In these it listens to strips that are gone or muted, or to those that it hears now, at other frames. Favourites stay, as
    do takes with other face parts or another output, and those beneath others.
    """
    takes = character_settings(character_object).takes
    elsewhere = {strip.name for strip in sounds.list_sound_strips(scene) if not sounds.is_muted(strip)} - set(sound.strips)
    wanted = replace(scope, fade_frames=0.0, replace_edited=False)
    own = {stored.mark for stored in takes}
    found: list[str] = []
    if scope.output in ("NEW_ACTION", "NEW_SLOT"):
        return found
    for stored in takes:
        with contextlib.suppress(VoxrigError):  # what is wrong with it is shown in the list
            record = read_take(stored)
            if stored.is_favourite or not isinstance(record.sound, Listening) or elsewhere & set(record.sound.strips):
                continue
            owners = {rigs.resolve(target).owner for target in record.mapping.targets()}
            plain = replace(record.scope, fade_frames=0.0, replace_edited=False)
            if plain == wanted and is_on_top(tuple(owners), stored.mark, own):
                found.append(stored.name)
    return found


def _listening_marks(takes: Any) -> set[str]:
    """Return the marks of the takes in which a character listens: they meet its own lines at the edges."""
    marks: set[str] = set()
    for stored in takes:
        with contextlib.suppress(VoxrigError):
            if isinstance(read_take(stored).sound, Listening):
                marks.add(stored.mark)
    return marks


def listening_scope(scene: bpy.types.Scene, scope: Scope) -> Scope:
    """Return the scope of somebody who listens, with a fade from talking to listening and back.

    Of the mouth it has the corners alone.
    """
    parts = tuple(part for part in scope.parts or PARTS_OF_HEAD if part != "mouth")
    fade = scope.fade_frames or round(_LISTENING_FADE_SECONDS * scenes.frames_per_second(scene))
    return replace(scope, parts=parts, fade_frames=fade)


class GeneratingOperator(BackgroundOperator):
    """Base of operators that run the model."""

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Return the take to make. Raises VoxrigError."""
        raise NotImplementedError

    def start(self, job: Job) -> Work[Job, Take]:
        """Prepare the work on a take."""
        return start_take(job)

    def finish(self, scene: bpy.types.Scene, job: Job, take: Take) -> None:
        """Write the take and report the result."""
        take = write(scene, job, take)
        session.provider = take.provider
        for warning in take.warnings:
            # The reason why CUDA does not work need not be repeated at every run.
            if warning not in session.warned:
                self.report({"WARNING"}, warning)
        session.warned.update(take.warnings)
        self.report({"INFO"}, take.summary(job.character))


def start_take(job: Job) -> Work[Job, Take]:
    """Return ``compute`` for a thread, not yet started."""
    return Work(job, Run(job.character), compute)


def why_not_animate(settings: Any) -> str | None:
    """Return what must still be chosen before anything can be animated, in the order of the panel, or None."""
    if settings.character is None:
        return NO_CHARACTER
    if settings.sound_source == "FILE" and not settings.sound_file:
        return "Choose a sound file first"
    if settings.sound_source == "CURVES" and not settings.curves_file:
        return "Choose a curve file first"
    if settings.sound_source == "STRIP" and not settings.strip:
        return "Choose a sound strip of the sequencer first"
    if settings.model == OTHER_FOLDER and not settings.model_folder:
        return "Choose the folder of a model first"
    return None


class VOXRIG_OT_animate_from_audio(ShowingTake, RedoSettings, GeneratingOperator):
    """Generate sparse keyframes from the sound on the character's mapped controls.

    Keyframes that you made or changed, those of other controls and those outside the sound stay as they are. The sound goes
    into the sequencer and the character is selected, as the preferences say
    """

    bl_idname = "voxrig.animate_from_audio"
    bl_label = "Animate from Audio"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Return what must still be chosen, in the order of the panel."""
        return super().disabled_reason(context) or why_not_animate(scene_settings(context.scene))

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Gather with the scene's settings."""
        return gather_from_scene(scene)


class VOXRIG_OT_stop(VoxrigOperator):
    """Stop animating and leave everything as it was"""

    bl_idname = "voxrig.stop"
    bl_label = "Stop"
    bl_options = {"INTERNAL"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a run in progress."""
        return None if session.run is not None else "Nothing is being animated"

    def run(self, context: Any) -> None:
        """Ask the run in progress to stop; its own operator ends it."""
        if session.run is not None:
            session.run.cancelled = True


CLASSES = (VOXRIG_OT_animate_from_audio, VOXRIG_OT_stop)
register, _unregister_classes = make_registration(CLASSES)


def unregister() -> None:
    """Unregister the operators and free memory."""
    _unregister_classes()
    forget_heard()
