"""What a person may give as a video: a file, a folder of pictures, or frames in memory.

Accepted is what is meant beyond doubt; everything else raises a DataError that says what to give.
Only the wanted frame and its neighbours are read.
"""

import difflib
import itertools
import operator
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acga_lib.errors import DataError
from acga_lib.files.stills import read_image, upright_rgb
from acga_lib.files.video import (
    Excerpt,
    count_packets,
    each_frame,
    frame_rate,
    hold_frame_number,
    read_around,
)

#: What to give instead.
GIVE = (
    "give RGB frames as uint8 [T, H, W, 3], the path of a video, or a folder of JPEG or PNG frames"
)
#: How messages call frames in memory.
IN_MEMORY = "the given frames"
PICTURES = frozenset({".jpg", ".jpeg", ".png"})
#: Frames per second of what does not tell, such as a folder of pictures.
USUAL_RATE = Fraction(25)


def footage(video: Any, frame: Any = None, *, before: int, after: int) -> tuple[str, Excerpt]:
    """One frame of a video with its neighbours, and what to call the video in messages.

    Args:
        video: the path of a video or of a folder of JPEG or PNG frames (ordered by the numbers in
            their names); a list of paths; frames as an array, a tensor or a list of them, uint8,
            other whole numbers from 0 to 255, or floating point from 0 to 1.
        frame: counted from 1; the middle one where None.
        before, after: numbers of neighbours; fewer are found at the edges of the video.

    Raises:
        DataError: nothing that can be read as a video, or no such frame.
    """
    number = frame_number(frame)
    if isinstance(video, str | os.PathLike):
        path = existing(os.fspath(video))
        if path.is_file():
            return str(path), read_around(path, number, before=before, after=after)
        return str(path), _around(path, pictures(path), number, before, after, read_image)
    if _are_paths(video):
        files = [existing(os.fspath(one)) for one in video]
        return IN_MEMORY, _around(IN_MEMORY, files, number, before, after, read_image)
    pixels = _pixels(video)
    levels = _levels(pixels)
    return IN_MEMORY, _around(IN_MEMORY, pixels, number, before, after, levels)


@dataclass(frozen=True, eq=False)
class Showing:
    """A video to go through once, from its first frame to its last."""

    path: Path
    count: int  #: of frames, at most
    rate: Fraction  #: frames per second
    frames: Iterator[NDArray[np.uint8]]  #: [H, W, 3] each, RGB, decoded when asked for


def showing(video: str | os.PathLike[str]) -> Showing:
    """A video file, or a folder of JPEG or PNG frames, frame after frame; none is decoded yet.

    Raises DataError where it is neither; what is wrong with a frame is raised at that frame.
    """
    path = existing(os.fspath(video))
    if path.is_file():
        count, rate = count_packets(path), frame_rate(path) or USUAL_RATE
        if not count:
            raise DataError(f"{path}: holds no undamaged video frame: fetch the file again")
        return Showing(path, count, rate, each_frame(path))
    files = pictures(path)
    return Showing(path, len(files), USUAL_RATE, _each_picture(path, files))


def _each_picture(folder: Path, files: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    first = None
    for file in files:
        found = read_image(file)
        first = first or found.shape
        _hold_alike(folder, found.shape, first)
        yield found


def in_turn(
    frames: Iterable[NDArray[np.uint8]], *, every: int, before: int, after: int
) -> Iterator[tuple[NDArray[np.uint8], Excerpt | None]]:
    """Each frame in order; the first, and every `every`-th after it, with its neighbours.

    Held are no more frames than one with its neighbours, fewer of which are found at the edges.
    """
    kept: deque[NDArray[np.uint8] | None] = deque([None] * (before + after), before + 1 + after)
    for index, found in enumerate(itertools.chain(frames, [None] * after), start=-after):
        kept.append(found)
        frame = kept[before] if index >= 0 else None
        if frame is not None and index % every == 0:
            there = [one for one in kept if one is not None]
            yield frame, Excerpt(np.stack(there), position=min(before, index))
        elif frame is not None:
            yield frame, None


def _are_paths(video: Any) -> bool:
    listed = isinstance(video, list | tuple) and len(video) > 0
    return listed and all(isinstance(one, str | os.PathLike) for one in video)


def frame_number(frame: Any) -> int | None:
    """A frame's number as people write it, 3, 3.0 or "3", as a number; None stays None.

    Raises:
        DataError: it is no whole number.
    """
    if frame is None:
        return None
    if isinstance(frame, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", frame):
        return int(frame)
    with suppress(TypeError, ValueError, RuntimeError, OverflowError):  # it is no number
        if isinstance(frame, Real) and not isinstance(frame, Integral):
            if float(frame).is_integer():
                return int(float(frame))
        elif not isinstance(frame, bool):
            return operator.index(frame)  # also an array or a tensor of one whole number
    raise DataError(
        f"frame {frame!r}: is no frame's number: give a whole number, counted from 1, or None for "
        "the middle frame"
    )


def existing(text: str | bytes) -> Path:
    """A path as a person wrote it ("~" is home) of something that is there.

    Raises:
        DataError: it is an address, or nothing is there; names that resemble it are told.
    """
    text = os.fsdecode(text)
    try:
        path = Path(text)
        if text.startswith("~") and not path.exists():
            path = path.expanduser()
        if text.strip() and (path.is_file() or path.is_dir()):
            return path
        special = path.exists()
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{text!r}: is no path that can be looked up ({error}): {GIVE}") from error
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise DataError(
            f"{text}: is an address: download the video first, and give the path of the file"
        )
    if special or not text.strip():
        raise DataError(f"{text!r}: is neither a file nor a folder: {GIVE}")
    raise DataError(f"{path}: no such file or folder{_resembling(path)}: {GIVE}")


def _resembling(path: Path) -> str:
    """What a misspelt path may have meant: the first part that does not exist, beside its like."""
    there = next(parent for parent in path.absolute().parents if parent.is_dir())
    name = path.absolute().relative_to(there).parts[0]
    try:
        like = difflib.get_close_matches(name, [one.name for one in there.iterdir()], n=3)
    except OSError:  # a folder that may not be listed
        like = []
    hint = f", only {', '.join(like)}" if like else ""
    return f" (the folder {there} holds no {name}{hint})"


def pictures(folder: Path) -> list[Path]:
    """The JPEG and PNG files of a folder, frame2 before frame10; hidden files do not matter.

    Raises:
        DataError: there is none, two are one frame, or they are named in more than one way (which
            would be a cover or masks among the frames).
    """
    try:
        files = [path for path in folder.iterdir() if path.name[0] != "."]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error}): {GIVE}") from error
    found = [path for path in files if path.suffix.lower() in PICTURES and path.is_file()]
    if not found:
        held = ", ".join(sorted(path.name for path in files)[:3]) or "nothing"
        raise DataError(f"{folder}: a folder without JPEG or PNG frames, it holds {held}: {GIVE}")
    found.sort(key=lambda path: (_by_number(path.stem), path.name))
    for one, two in itertools.pairwise(found):
        if _by_number(one.stem) == _by_number(two.stem):
            raise DataError(
                f"{folder}: {one.name} and {two.name} are one frame: delete one of them"
            )
    kinds = {re.sub("[0-9]+", "#", path.stem): path.name for path in found}
    if len(kinds) > 1 and any("#" in kind for kind in kinds):
        named = ", ".join(list(kinds.values())[:3])
        raise DataError(
            f"{folder}: its pictures are named in {len(kinds)} ways ({named}): leave the frames of "
            "one video in it and nothing else"
        )
    return found


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key that sorts the numbers in names by value."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _around(
    name: str | Path,
    frames: Sequence[Any],
    number: int | None,
    before: int,
    after: int,
    read: Callable[[Any], NDArray],
) -> Excerpt:
    """One of the frames that `read` gives, with its neighbours, as `video.read_around`."""
    number = len(frames) // 2 + 1 if number is None else number
    hold_frame_number(name, number, len(frames))
    first = max(number - 1 - before, 0)
    found = [read(one) for one in frames[first : number + after]]
    for one in found:
        _hold_alike(name, one.shape, found[0].shape)
    return Excerpt(np.stack(found), position=number - 1 - first)


def _hold_alike(name: str | Path, shape: tuple[int, ...], first: tuple[int, ...]) -> None:
    if shape != first:
        raise DataError(f"{name}: frames of {first} and of {shape}: bring them to one size")


def _pixels(video: Any) -> list[NDArray]:
    """Frames in memory as arrays [H, W, 3] of any type of number, not copied."""
    if isinstance(video, list | tuple):
        frames, kind = [_array(one) for one in video], type(video).__name__
        shape: object = sorted({one.shape for one in frames}, key=len)
    else:
        array = _array(video)
        kind, shape = str(array.dtype), array.shape
        single = array.ndim == 3 and array.shape[2] == 3
        frames = [array] if single else list(array) if array.ndim == 4 else []
    if frames and all(one.ndim == 3 and one.shape[0] == 3 != one.shape[2] for one in frames):
        frames = [one.transpose(1, 2, 0) for one in frames]  # channels came first
    if not frames or any(one.ndim != 3 or one.shape[2] != 3 or not one.size for one in frames):
        raise DataError(f"frames of type {kind} and shape {shape}: {GIVE}")
    return frames


def _array(given: Any) -> NDArray:
    """An array, a tensor on any device, or a Pillow image, as an array of numbers."""
    try:
        if hasattr(given, "detach"):  # a tensor; numpy knows no bfloat16
            tensor = given.detach().cpu()
            given = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        elif hasattr(given, "convert"):  # a Pillow image
            given = upright_rgb(given)
        found = np.asarray(given)
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        raise DataError(f"a {type(given).__name__} is no video ({error}): {GIVE}") from error
    if found.dtype.kind not in "uif":
        raise DataError(f"a {type(given).__name__} of type {found.dtype} is no video: {GIVE}")
    return found


def _levels(frames: Sequence[NDArray]) -> Callable[[NDArray], NDArray[np.uint8]]:
    """What makes levels 0 to 255 of a video's frames, of any type of number, by one scale for all.

    Raises DataError where the scale is open.
    """
    kinds = sorted({str(one.dtype) for one in frames})
    if kinds == ["uint8"]:
        return np.asarray
    low = min(float(one.min()) for one in frames)
    high = max(float(one.max()) for one in frames)
    if low >= 0 and high <= 1 and all(one.dtype.kind == "f" for one in frames):
        return lambda frame: np.rint(frame * 255).astype(np.uint8)
    if low >= 0 and high <= 255 and all((one == np.rint(one)).all() for one in frames):
        return lambda frame: frame.astype(np.uint8)
    raise DataError(
        f"frames of type {', '.join(kinds)} from {low:g} to {high:g}: {GIVE}, or floating point "
        "from 0 to 1"
    )
