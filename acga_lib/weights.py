"""Weight files, read without trusting them.

A file may be truncated, altered on the way, a pickle that wants to run code, or another network's.
torch checks neither hash nor CRC, so both are checked here: the sha256 that
`acga_lib.files.downloads` wrote beside the file, and the CRC-32 of PyTorch's zip format. Older
files (the public I3D and VGG-16 among them) and `.safetensors` have none of their own; for those, a
changed bit shows by the recorded sha256 alone.

This reads files and yet is no part of `acga_lib.files`: `ACGA.from_authors` and `load_i3d` take a
path, and the paper's modules import no wing.
"""

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from acga_lib.errors import CheckpointError, DataError
from acga_lib.hashes import hold_recorded
from acga_lib.published import advice

#: What wrappers of a network put before all its names: DataParallel, torch.compile.
WRAPPERS = ("module.", "_orig_mod.")


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read a `.safetensors` or PyTorch weight file without running any code in it.

    Of a trainer's checkpoint, the network is taken (`network_state`). Raises CheckpointError when
    the file is missing, damaged, not the recorded one, or holds anything but a network's numbers.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weight file; {advice(path)}")
    try:
        hold_recorded(path)
        loaded = load_file(path) if path.suffix == ".safetensors" else _load_torch(path)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    except PermissionError as error:
        raise CheckpointError(f"{path}: may not be read; ask its owner for access") from error
    except Exception as error:
        raise CheckpointError(f"{path}: {_reason(error, path)}") from error
    return network_state(loaded, where=f"{path}: ")


def network_state(loaded: object, *, where: str = "") -> dict[str, Tensor]:
    """The tensors of a network by name, out of what a trainer saved.

    That is the state dict itself, or a checkpoint that holds it in a mapping beside an optimizer
    and the like: `state_dict`, or the only one with tensors (`model`, `model_state_dict`, `net`).
    `where` begins the messages. Raises CheckpointError where no mapping, or not one alone, can be
    meant, and where a value is not a number or no memory holds it.
    """
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{where}holds a {type(loaded).__name__}, not a network's weights")
    inside = {name: part for name, part in loaded.items() if _is_state(part)}
    if len(inside) > 1 and "state_dict" not in inside:
        raise CheckpointError(
            f"{where}holds several networks ({', '.join(map(repr, inside))}): save the one that is "
            "meant as a file of its own, and give that"
        )
    state = _tensors(inside.get("state_dict", next(iter(inside.values()), loaded)))
    if not state:
        raise CheckpointError(
            f"{where}no tensors by name among its {len(loaded)} entries (first: "
            f"{', '.join(map(repr, list(loaded)[:5])) or 'none'}); save the network's state_dict "
            "as a file of its own, and give that"
        )
    for name, tensor in state.items():
        if wrong := _not_numbers(name, tensor):
            raise CheckpointError(f"{where}'{name}' {wrong}; fetch the file again, or train anew")
    return _unwrapped(state)


def state_of(build: Callable[[], nn.Module], *, where: str) -> dict[str, Tensor]:
    """The names, shapes and types of a network's state, without memory for its numbers.

    What a file's first layer says of the width is held against the rest of the file before a
    network of that width is built. `where` begins the message. Raises CheckpointError for sizes
    that no memory has.
    """
    try:
        with torch.device("meta"):
            return build().state_dict()
    except (RuntimeError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{where}no network can be so wide ({error})") from error


def misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """The first entry of a network's state that `found` lacks or has otherwise, in words: in
    another shape, or as integers where the network computes with real numbers.

    BatchNorm's `num_batches_tracked` may be missing: it is of no use and older files have none.
    None where everything fits; entries of `found` that nobody wants are not looked at.
    """
    for key in (key for key in wanted if not key.endswith("num_batches_tracked")):
        shape = tuple(found[key].shape) if key in found else "nothing"
        if shape != tuple(wanted[key].shape):
            return f"'{key}' should be {tuple(wanted[key].shape)} and is {shape}"
        if wanted[key].is_floating_point() and not found[key].is_floating_point():
            return f"'{key}' should hold real numbers and holds {found[key].dtype}"
    return None


def _tensors(mapping: Mapping) -> dict[str, Tensor]:
    return {k: v for k, v in mapping.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _is_state(part: object) -> bool:
    """Whether `part` can be a network's state: not only numbers that were measured (0-D)."""
    return isinstance(part, Mapping) and any(v.ndim for v in _tensors(part).values())


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in WRAPPERS * 2:  # a compiled network in DataParallel, or the other way round
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _not_numbers(name: str, tensor: Tensor) -> str | None:
    """What keeps a tensor from being used as it is, in words; None where nothing does."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        return "is sparse, quantised or without values: save it as a plain tensor"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"declares {tuple(tensor.shape)}, more numbers than the file holds"
    if not tensor.is_floating_point():
        return None
    values = tensor.to(torch.float32)  # what the networks compute with
    if count := int((~values.isfinite()).sum()):
        return f"holds {count:,} values that are not a number or infinite: it is damaged"
    if name.endswith("running_var") and (values < 0).any():
        return "is a variance and holds values below zero: it is damaged"
    return None


def _load_torch(path: Path) -> object:
    _check_zip(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _check_zip(path: Path) -> None:
    """Raises BadZipFile where an entry of a zip differs from its CRC-32, which torch ignores.

    A recorded CRC of 0 means that torch.save was told not to compute it. torch packs nothing
    either, so entries that are together larger than the file are no checkpoint but a bomb.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise zipfile.BadZipFile("its entries are larger than the file")
        for entry in (entry for entry in archive.infolist() if entry.CRC):
            with archive.open(entry) as content:
                while content.read(1 << 20):
                    pass


def _reason(error: Exception, path: Path) -> str:
    """What is wrong with a file and what to do, without torch's advice to load it unsafely."""
    text = str(error)
    if wants := re.search(r"GLOBAL (\S+)", text):
        return (
            f"refused: it asks to use {wants[1]}, and a weight file needs nothing but tensors. "
            f"Nothing in it was run. Ask its author for the state_dict alone, or {advice(path)}"
        )
    if ".tar format" in text:
        return (
            "in the tar format of PyTorch before 0.2, which cannot be read safely. Save its "
            "state_dict anew with the PyTorch that wrote it"
        )
    if "Weights only load failed" in text:
        text = "no list of tensors"
    return (
        f"damaged, or not a weight file ({text.split('. ')[0] or type(error).__name__}). Delete "
        f"it, and its .sha256 if there is one, and {advice(path)}"
    )
