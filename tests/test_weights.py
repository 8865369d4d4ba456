"""Weight files that are damaged, hostile or of another kind; torch itself as the second opinion."""

import hashlib
import os
import pickle
import tarfile
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from acga_lib.errors import CheckpointError
from acga_lib.i3d import I3D, STEM, load_i3d
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


@pytest.mark.parametrize("name", ["state_dict", "model", "model_state_dict", "net", "weights"])
def test_a_network_is_found_inside_any_trainers_checkpoint(name, tmp_path):
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    content = {"epoch": 9, name: STATE, "optimizer": optimizer, "best": {"loss": torch.tensor(1.0)}}
    assert load_tensors(save(tmp_path / "x.pt", content)).keys() == STATE.keys()
    wrapped = {f"module._orig_mod.{key}": value for key, value in STATE.items()}
    assert load_tensors(save(tmp_path / "x.pt", {name: wrapped})).keys() == STATE.keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": STATE, "model_ema": STATE}, r"holds several networks \('model', 'model_ema'\)"),
        ({"epoch": 9, "args": {"lr": 0.1}}, "no tensors by name among its 2.*'epoch', 'args'"),
        ({0: torch.zeros(3)}, "no tensors by name.*first: 0"),
        ({}, "no tensors by name.*none"),
        ([torch.zeros(3)], "holds a list"),
        (torch.zeros(3), "holds a Tensor"),
    ],
)
def test_a_file_without_one_network_says_what_is_in_it(content, message, tmp_path):
    path = save(tmp_path / "x.pt", content)
    for load in LOADERS:
        with pytest.raises(CheckpointError, match=rf"{path}: {message}"):
            load(path)
    with pytest.raises(CheckpointError, match=message):
        ACGA.from_authors(content)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.weight", torch.tensor([1, float("nan")]), "holds 1 values that are not a number"),
        ("a.weight", torch.tensor([1, -float("inf")]), "not a number or infinite"),
        ("a.weight", torch.tensor([1e300], dtype=torch.float64), "not a number or infinite"),
        ("a.running_var", torch.tensor([1.0, -1e-3]), "is a variance and holds values below zero"),
        ("a.weight", torch.zeros(1).expand(10**12, 3), "more numbers than the file holds"),
        ("a.weight", torch.eye(3).to_sparse(), "is sparse"),
        ("a.weight", torch.zeros(3, device="meta"), "without values"),
    ],
)
def test_an_entry_that_is_not_plain_numbers_is_named(name, value, message, tmp_path):
    path = save(tmp_path / "x.pt", {name: value})
    for load in LOADERS:
        with pytest.raises(CheckpointError, match=rf"{path}: '{name}' .*{message}"):
            load(path)
    with pytest.raises(CheckpointError, match=f"'{name}' .*{message}"):
        ACGA.from_authors({name: value})


@pytest.mark.parametrize(
    ("load", "state", "message"),
    [
        (load_i3d, {STEM: torch.zeros(10**7, 3, 1, 1, 1, dtype=torch.int8)}, "conv3d_1a_7x7"),
        (load_i3d, {STEM: torch.zeros(1, 10**7, 1, 1, 1, dtype=torch.int8)}, "conv3d_1a_7x7"),
        (
            load_vgg,
            {"conv1_1.weight": torch.zeros(10**7, 1, 1, 1, dtype=torch.int8)},
            "no network can be so wide",
        ),
    ],
)
def test_the_width_that_a_file_declares_takes_no_memory_before_the_rest_fits(
    load, state, message, tmp_path
):
    path = save(tmp_path / "x.pt", state)
    with pytest.raises(CheckpointError, match=rf"{path}: .*{message}"):
        load(path)


def test_integers_are_no_weights(tmp_path):
    state = {key: value.to(torch.int8) for key, value in I3D(width=0.125).state_dict().items()}
    with pytest.raises(CheckpointError, match=r"x\.pt: .*should hold real numbers and holds.*int8"):
        load_i3d(save(tmp_path / "x.pt", state))


def test_a_network_drawn_after_loading_is_the_one_drawn_without_shapes_first(tmp_path):
    path = save(tmp_path / "x.pt", I3D(width=0.125).state_dict())
    torch.manual_seed(0)
    I3D(width=0.125)
    wanted = torch.get_rng_state()
    torch.manual_seed(0)
    load_i3d(path)
    assert torch.equal(torch.get_rng_state(), wanted)


def test_packed_entries_are_not_unpacked(tmp_path):
    path = save(tmp_path / "x.pt", {"a": torch.zeros(10**7)})
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(
        tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED
    ) as bomb:  # fmt: skip
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    with pytest.raises(CheckpointError, match=r"bomb\.pt: .*larger than the file"):
        load_tensors(tmp_path / "bomb.pt")


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
