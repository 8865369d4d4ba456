"""The backbone: the public layouts, TensorFlow's padding, and files that are not what they say."""

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import literal, reference
from safetensors.torch import save_file
from torch import nn

from acga_lib.config import ROOT
from acga_lib.errors import CheckpointError
from acga_lib.experiment.recipes import MODALITIES
from acga_lib.i3d import (
    BLOCKS,
    EPS,
    I3D,
    MaxPoolSame,
    Unit3D,
    block_output,
    load_i3d,
    maximum_same,
    mixed_4f,
    same_padding,
)  # fmt: skip
from acga_lib.profiles import PROFILES


@pytest.fixture(scope="module")
def references(shared):
    """-> a function: layout -> (weights, the port's Mixed_4f)."""
    folder = shared / "reference_outputs"
    outputs = np.load(folder / "reference_outputs.npz")

    def of(layout):
        return reference.weights(folder / f"i3d_{layout}_keys.json"), outputs[f"i3d_{layout}/4f"]

    return of


@pytest.fixture(scope="module")
def narrow():
    """The state dict of a trunk of an eighth of the width."""
    torch.manual_seed(0)
    return I3D(width=0.125).state_dict()


@torch.no_grad()
def hold(path, wanted):
    """The file, loaded, answers the reference clip with `wanted`."""
    found = load_i3d(path)(reference.i3d_clip()).numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-6, rtol=0)


def without_counters(state):
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


@pytest.mark.parametrize("layout", ["hassony", "piergiaj"])
def test_a_public_port_computes_what_it_computes_here(layout, references, tmp_path):
    weights, wanted = references(layout)
    # The public files are of 2018, in the format before PyTorch 1.6.
    torch.save(weights, tmp_path / "port.pt", _use_new_zipfile_serialization=False)
    hold(tmp_path / "port.pt", wanted)


def test_the_authors_checkpoint_holds_the_port_of_hassony2(references, tmp_path):
    weights, wanted = references("hassony")
    state = {f"module.video_model.model.{k}": v for k, v in without_counters(weights).items()}
    state["module.txt_model.0.weight"] = torch.zeros(300, 300, 3)
    torch.save({"epoch": 9, "state_dict": state, "optimizer": {}}, tmp_path / "model_best.pth.tar")
    hold(tmp_path / "model_best.pth.tar", wanted)


def test_the_trunk_ends_one_block_before_the_output(references, tmp_path):
    weights, wanted = references("hassony")
    save_file(without_counters(weights), tmp_path / "port.safetensors")
    model = load_i3d(tmp_path / "port.safetensors")
    with torch.no_grad():
        seen = model.trunk(reference.i3d_clip())
        np.testing.assert_allclose(model.mixed_4f(seen).numpy(), wanted, atol=2e-6, rtol=0)
    assert seen.shape == (1, 528, 4, 6, 6)


@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (3, 1), (1, 1), (2, 2), (2, 3)])
def test_the_padding_is_tensorflows_same_for_every_size(kernel, stride):
    """TensorFlow: ceil(n / s) outputs; (outputs - 1) s + k - n zeros, the odd one at the end."""
    for size in range(1, 24):
        outputs = math.ceil(size / stride)
        zeros = max((outputs - 1) * stride + kernel - size, 0)
        before = zeros // 2
        assert same_padding(size, kernel, stride) == (before, zeros - before)


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 4, 5), (4, 7, 8), (5, 6, 3)])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("kernel", [(1, 3, 3), (3, 3, 3)])
def test_maxima_over_lines_are_those_over_boxes(size, stride, kernel):
    x = torch.randn(2, 3, *size)
    sides = zip(size, kernel, stride, strict=True)
    pads = [pad for pair in [same_padding(*side) for side in sides][::-1] for pad in pair]
    wanted = F.max_pool3d(F.pad(x, pads), kernel, stride)
    assert torch.equal(maximum_same(x, kernel, stride), wanted)


@pytest.mark.parametrize("estimates", [False, True])
@pytest.mark.parametrize("size", [(4, 6, 5), (2, 7, 7)])
def test_a_block_and_its_gradients_are_those_of_one_operation_after_the_other(estimates, size):
    """BatchNorm folded into the convolutions, 1 x 1 convolutions joined, padding inside them."""
    torch.manual_seed(0)
    block = mixed_4f(0.25).double()
    for norm in (m for m in block.modules() if isinstance(m, nn.BatchNorm3d)):
        norm.train(estimates)
        norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x = torch.randn(3, block_output("mixed_4e", 0.25), *size, dtype=torch.float64)
    found, wanted = [], []
    for results, network in ((found, block), (wanted, partial(literal.inception, block))):
        block.zero_grad()
        seen = x.clone().requires_grad_()
        out = network(seen)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        results += [out, seen.grad, *(p.grad.clone() for p in block.parameters())]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_layers_halve_odd_sizes_upwards_and_pools_pad_with_zeros():
    x = -torch.ones(1, 2, 5, 7, 8)
    assert Unit3D(2, 3, kernel=7, stride=2, eps=1e-3)(x).shape == (1, 3, 3, 4, 4)
    pooled = MaxPoolSame((1, 3, 3), (1, 2, 2))(x)
    assert pooled.shape == (1, 2, 5, 4, 4)
    assert pooled[0, 0, 0, 0, 0] == 0 and pooled[0, 0, 0, 1, 1] == -1  # border, interior


@pytest.mark.parametrize("width", [0.125, 0.25])
def test_the_width_is_read_off_the_file(width, tmp_path):
    save_file(I3D(width=width).state_dict(), tmp_path / "narrow.safetensors")
    model = load_i3d(tmp_path / "narrow.safetensors")
    assert model.width == width and not model.training
    clip = torch.zeros(1, 3, 8, 33, 48)
    with torch.no_grad():
        assert model(clip).shape == (1, 832 * width, 2, 3, 3)
        assert model.trunk(clip).shape == (1, 528 * width, 2, 3, 3)
    assert [block_output(name) for name in BLOCKS] == [256, 480, 512, 512, 512, 528, 832]


def piergiaj(key):
    """The name of one of our entries in piergiaj's port, as listed in FIELD's table of names."""
    layer, _, rest = key.partition(".")
    layer = layer[0].upper() + layer[1:]
    branch = re.match(r"branch_(\d)(?:\.(\d))?\.", rest)
    if branch:
        number, place = branch.groups()
        unit = {"0": "b0", "1": f"b1{'ab'[int(place or 0)]}", "2": f"b2{'ab'[int(place or 0)]}"}
        rest = f"{unit.get(number, 'b3b')}.{rest[branch.end() :]}"
    return f"{layer}.{rest}".replace("batch3d", "bn")


@torch.no_grad()
@pytest.mark.parametrize(
    ("layout", "rename"),
    [
        ("piergiaj", piergiaj),
        ("hassony", lambda key: key),
        ("authors", lambda key: f"module.video_model.model.{key}"),
    ],
)
def test_a_flow_network_of_every_layout_reads_two_channels(layout, rename, tmp_path):
    torch.manual_seed(0)
    network = I3D(width=0.125, channels_in=2, eps=EPS[layout]).eval()
    state = {rename(k): v for k, v in without_counters(network.state_dict()).items()}
    torch.save(state | {rename("logits.conv3d.weight"): torch.zeros(400, 1)}, tmp_path / "flow.pt")
    flow = torch.rand(1, 2, 8, 32, 32) * 2 - 1
    loaded = load_i3d(tmp_path / "flow.pt", modality="flow")
    assert torch.equal(loaded(flow), network(flow))
    with pytest.raises(CheckpointError, match=r"flow\.pt: .*reads 2 channels, and I3D on rgb"):
        load_i3d(tmp_path / "flow.pt", modality="rgb")


def test_swapped_files_of_rgb_and_flow_are_refused_before_features_are_computed(narrow, tmp_path):
    torch.save(narrow, tmp_path / "rgb.pt")
    with pytest.raises(CheckpointError, match=r"rgb\.pt: .*reads 3 channels, and I3D on flow"):
        MODALITIES["flow"].load(tmp_path / "rgb.pt")
    assert MODALITIES["rgb"].load(tmp_path / "rgb.pt").width == 0.125


def test_epsilon_follows_the_layout_unless_it_is_given(narrow, tmp_path):
    torch.save(narrow, tmp_path / "hassony.pt")
    torch.save({piergiaj(key): value for key, value in narrow.items()}, tmp_path / "piergiaj.pt")
    for name, eps, wanted in (
        ("piergiaj", None, 1e-3), ("hassony", None, 1e-5), ("hassony", 1e-3, 1e-3)
    ):  # fmt: skip
        network = load_i3d(tmp_path / f"{name}.pt", eps=eps)
        found = {m.eps for m in network.modules() if isinstance(m, torch.nn.BatchNorm3d)}
        assert found == {wanted}


def test_the_committed_trunk_is_the_one_that_the_profiles_name():
    for name in ("quick", "toy"):
        profile = PROFILES[name]
        trunk = load_i3d(ROOT / "data" / "weights" / profile.networks.trunk)
        assert trunk.width == profile.networks.trunk_width == 0.5
        assert all(torch.isfinite(value).all() for value in trunk.state_dict().values())


def breakage(name, state, path):
    """Write a file that is wrong in the way `name` says."""
    if name == "missing entry":
        state = {k: v for k, v in state.items() if k != "mixed_4c.branch_2.1.conv3d.weight"}
    elif name == "misshapen entry":
        state = state | {"mixed_4c.branch_2.1.conv3d.weight": torch.zeros(1)}
    elif name == "authors' without a stem":
        state = {"module.video_model.model.mixed_4f.branch_0.conv3d.weight": torch.zeros(1)}
    elif name == "flat stem":
        state = state | {"conv3d_1a_7x7.conv3d.weight": torch.zeros(8)}
    elif name == "unknown layout":
        state = {"layer1.0.weight": torch.zeros(1)}
    elif name == "not a mapping":
        state = [torch.zeros(1)]
    torch.save(state, path)
    if name == "truncated":
        path.write_bytes(path.read_bytes()[:-5000])
    elif name == "empty file":
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing entry", r"mixed_4c\.branch_2\.1\.conv3d\.weight.*nothing"),
        ("misshapen entry", r"mixed_4c\.branch_2\.1\.conv3d\.weight.*\(1,\)"),
        ("flat stem", r"conv3d_1a_7x7\.conv3d\.weight.*\(8,\)"),
        ("authors' without a stem", "not an I3D checkpoint"),
        ("unknown layout", "not an I3D checkpoint.*layer1"),
        ("not a mapping", "holds a list"),
        ("truncated", "damaged"),
        ("empty file", "damaged"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(name, message, narrow, tmp_path):
    path = tmp_path / "wrong.pt"
    breakage(name, dict(narrow), path)
    with pytest.raises(CheckpointError, match=message) as raised:
        load_i3d(path)
    assert str(raised.value).count(str(path)) == 1


def test_a_truncated_safetensors_and_an_absent_file_are_named(narrow, tmp_path):
    path = tmp_path / "half.safetensors"
    save_file(narrow, path)
    path.write_bytes(path.read_bytes()[:-10])
    for wrong in (path, tmp_path / "absent.pt"):
        with pytest.raises(CheckpointError, match=wrong.name):
            load_i3d(wrong)
