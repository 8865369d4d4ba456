"""Weight files, read without trusting them.

A file may be truncated, altered on the way, a pickle that wants to run code, or another network's.
torch checks neither hash nor CRC, so both are checked here: the sha256 that
`acga_lib.files.downloads` wrote beside the file, and the CRC-32 of PyTorch's zip format. Older
files (the public I3D and VGG-16 among them) and `.safetensors` have none of their own; for those, a
changed bit shows by the recorded sha256 alone.

This reads files and yet is no part of `acga_lib.files`: `ACGA.from_authors` and `load_i3d` take a
path, and the paper's modules import no wing.
"""

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from acga_lib.errors import CheckpointError, DataError
from acga_lib.published import advice


def file_hash(path: str | Path) -> str:
    """sha256 of a file's bytes, hexadecimal. Raises DataError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {advice(path)}") from error


def recorded_hash(path: Path) -> str | None:
    """The sha256 kept beside a file when it was fetched; None where there is none."""
    record = path.with_name(path.name + ".sha256")
    return record.read_text().split()[0] if record.is_file() else None


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read a `.safetensors` or PyTorch weight file without running any code in it.

    Of a checkpoint with a `state_dict`, that is taken. Raises CheckpointError when the file is
    missing, damaged, not the recorded one, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weight file; {advice(path)}")
    recorded = recorded_hash(path)
    if recorded and file_hash(path) != recorded:
        raise CheckpointError(
            f"{path}: damaged or replaced since it was fetched: its sha256 is not the one in "
            f"{path.name}.sha256. Delete both files and {advice(path)}"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _check_crc(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path}: {_reason(error, path)}") from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path}: holds a {type(loaded).__name__}, not a network's weights")
    return {k: v for k, v in loaded.items() if isinstance(v, Tensor)}


def misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """The first entry of a network's state that `found` lacks or has in another shape, in words.

    BatchNorm's `num_batches_tracked` may be missing: it is of no use and older files have none.
    None where everything fits; entries of `found` that nobody wants are not looked at.
    """
    for key in (key for key in wanted if not key.endswith("num_batches_tracked")):
        shape = tuple(found[key].shape) if key in found else "nothing"
        if shape != tuple(wanted[key].shape):
            return f"'{key}' should be {tuple(wanted[key].shape)} and is {shape}"
    return None


def _check_crc(path: Path) -> None:
    """Raises BadZipFile where an entry of a zip differs from its CRC-32, which torch ignores.

    A recorded CRC of 0 means that torch.save was told not to compute it.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
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
