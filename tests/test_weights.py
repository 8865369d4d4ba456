"""Weight files that are damaged, hostile or of another kind; torch itself as the second opinion."""

import hashlib
import os
import pickle
import tarfile

import pytest
import torch
from safetensors.torch import save_file

from acga_lib.errors import CheckpointError
from acga_lib.i3d import load_i3d
from acga_lib.model import ACGA
from acga_lib.vgg import load_vgg
from acga_lib.weights import load_tensors

STATE = {"a.weight": torch.arange(4000.0), "a.num_batches_tracked": torch.tensor(3)}
#: Loading and then the network; each must name the same file.
LOADERS = (load_tensors, load_i3d, load_vgg, ACGA.from_authors)


def save(path, content=None, *, old=False):
    torch.save(STATE if content is None else content, path, _use_new_zipfile_serialization=not old)
    return path


def flip(path):
    """Change one bit in the middle of the file, where the numbers are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    return path


def record(path):
    """What a download leaves beside the file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")


@pytest.mark.parametrize("old", [True, False])
def test_old_and_new_formats_and_checkpoints_are_read(old, tmp_path):
    for content in (STATE, {"epoch": 9, "state_dict": STATE, "optimizer": {}}):
        found = load_tensors(save(tmp_path / "x.pth.tar", content, old=old))
        assert found.keys() == STATE.keys()
        assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_changed_bit_that_torch_does_not_notice_is_noticed(tmp_path):
    path = flip(save(tmp_path / "x.pt"))
    assert not torch.equal(torch.load(path, weights_only=True)["a.weight"], STATE["a.weight"])
    with pytest.raises(CheckpointError, match=rf"{path}: damaged.*CRC"):
        load_tensors(path)


@pytest.mark.skipif(not hasattr(torch.serialization, "set_crc32_options"), reason="older torch")
def test_a_file_that_was_saved_without_crc_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        path = save(tmp_path / "x.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(load_tensors(path)["a.weight"], STATE["a.weight"])


@pytest.mark.parametrize("name", ["old.pt", "x.safetensors"])
def test_formats_without_a_crc_are_held_against_the_recorded_hash(name, tmp_path):
    path = tmp_path / name
    save_file(STATE, path) if path.suffix == ".safetensors" else save(path, old=True)
    record(path)
    load_tensors(path)
    flip(path)
    for load in LOADERS:
        with pytest.raises(CheckpointError, match=rf"{path}: damaged.*{name}\.sha256"):
            load(path)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_named(old, share, tmp_path):
    path = save(tmp_path / "x.pt", old=old)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    for load in LOADERS:
        with pytest.raises(CheckpointError, match=rf"{path}: (damaged|refused).*fetch it again"):
            load(path)


class Code:
    """A pickle of it makes a folder when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("was-run",)


def plain_pickle(protocol):
    return lambda path: path.write_bytes(pickle.dumps({"state_dict": Code()}, protocol=protocol))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    "write",
    [
        lambda path: save(path, {"state_dict": Code()}),
        lambda path: save(path, {"conv3d_1a_7x7.conv3d.weight": Code()}, old=True),
        plain_pickle(2),
        plain_pickle(4),
    ],
)
def test_code_in_a_file_is_never_run(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    write(path)
    for load in LOADERS:
        with pytest.raises(CheckpointError, match=r"evil\.pt") as raised:
            load(path)
        assert "weights_only" not in str(raised.value)  # torch tells how to run it after all
    assert not (tmp_path / "was-run").exists()
    torch.load(save(path, {"a": Code()}), weights_only=False)  # it would have run
    assert (tmp_path / "was-run").exists()


def test_what_a_refused_file_asks_for_is_said(tmp_path):
    path = save(tmp_path / "module.pt", torch.nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match=r"refused.*torch\.nn.*Nothing in it was run"):
        load_tensors(path)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(path)
    with pytest.raises(CheckpointError, match=r"x\.tar: in the tar format of PyTorch before 0\.2"):
        load_tensors(tmp_path / "x.tar")
    page = tmp_path / "page.pt"
    page.write_text("<!DOCTYPE html><html>Not Found</html>")
    with pytest.raises(CheckpointError, match=r"page\.pt: damaged, or not a weight file"):
        load_tensors(page)


def test_a_missing_public_file_is_named_with_the_command_that_fetches_it(tmp_path):
    for load in LOADERS:
        with pytest.raises(CheckpointError, match=r"python -m acga_lib\.files\.downloads i3d-flow"):
            load(tmp_path / "i3d_flow_kinetics.pt")
