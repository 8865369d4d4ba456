"""What the paper's setting costs: counted figures held against arithmetic, and one real step."""

import json

import pytest
import torch
import torch.nn.functional as F

from acga_lib.i3d import I3D
from acga_lib.methods import METHODS
from acga_lib.profiles import PROFILES
from acga_lib.studies import resources
from acga_lib.studies.resources_measured import measure


def test_the_committed_figures_are_those_that_are_counted_today():
    record = json.loads(resources.RECORD.read_text())
    assert record["projected"]["features"] == resources.trunks()
    cost = resources.method_cost(METHODS["acga"])
    kept = record["projected"]["methods"]["acga"]
    # Which small tensors autograd shares differs between processes; the work does not.
    assert kept == pytest.approx(cost, rel=1e-3)
    assert kept["training_operations"] == cost["training_operations"]
    assert cost["parameters"] == sum(
        p.numel() for p in resources.build_network(METHODS["acga"], resources.PAPER).parameters()
    )
    assert resources.TABLE.read_text() == resources.table(record)


def test_operations_are_two_for_each_weight_at_each_place(monkeypatch):
    """Every convolution's output size times the weights of one output."""
    counted, convolve = [], F.conv3d

    def noted(x, weight, *others, **named):
        found = convolve(x, weight, *others, **named)
        counted.append(2 * found.numel() * weight[0].numel())
        return found

    features = resources.trunks()["rgb"]
    monkeypatch.setattr(F, "conv3d", noted)
    with torch.device("meta"):
        I3D().eval().trunk(torch.empty(1, 3, 16, 512, 512))
    assert features["operations"] == sum(counted)
    assert features["raw_bytes"] == 528 * 4 * 32 * 32 * 2  # Mixed_4e in half precision


def test_memory_grows_with_the_batch_and_hours_fall_with_the_card():
    cost = {"parameters": 10**6, "saved_bytes": 10**9, "largest_saved_bytes": 10**8}
    one, four = (resources.gpu_bytes(cost, batch, half=False) for batch in (1, 4))
    assert (one, four) == (16e6 + 1.2e9 + 1.5e9, 16e6 + 4.8e9 + 1.5e9)
    assert resources.gpu_bytes(cost, 4, half=True) == 16e6 + 2.4e9 + 1.5e9
    assert resources.hours(8.1e12 * 0.4 * 3600, "T4", half=False) == 1
    assert resources.hours(989e12 * 0.2 * 7200, "H100", half=True) == 2


@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_real_step_at_full_width_from_real_clips(shared, accumulate, monkeypatch):
    """The paper's profile but for the side: 64 pixels take a second, 512 minutes."""
    small = PROFILES["paper"].changed(name="paper64", side=64, workers=0)
    monkeypatch.setitem(PROFILES, small.name, small)
    entry = measure(shared / "real_pairs", precision="fp32", accumulate=accumulate, profile=small)
    assert entry["batch"] == 4 and 1 <= entry["clips"] <= 4
    assert 0.5 < entry["loss"] < 10
    raw = 528 * 4 * 4 * 4 * 2
    assert 0.2 * raw < entry["feature_bytes_a_clip"] < 1.1 * raw + 1000
    assert entry["peak_bytes"] >= entry["peak_bytes_after_extraction"] > 1e8
