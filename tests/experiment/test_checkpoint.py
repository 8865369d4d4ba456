"""What a training leaves while it runs: damage is told, and a damaged log stops nothing."""

import random

import pytest
import torch

from acga_lib.errors import CheckpointError
from acga_lib.experiment.checkpoint import Checkpoint, Progress, StepDone, TrainingLog


@pytest.fixture
def saved(tmp_path):
    """-> (checkpoint, its network) after three steps."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 8)
    checkpoint = Checkpoint(tmp_path / "work" / "checkpoint.pt", identity="a run")
    optimizer = torch.optim.Adam(model.parameters())
    state = Progress(step=3, losses=[3.0, 2.0, 1.0])
    checkpoint.save(model, optimizer, torch.amp.GradScaler("cpu", enabled=False), state)
    return checkpoint, model


def test_a_checkpoint_is_read_as_it_was_written(saved):
    found = saved[0].read()
    assert (found["step"], found["losses"]) == (3, [3.0, 2.0, 1.0])
    assert torch.equal(found["model"]["weight"], saved[1].weight)
    assert [path.name for path in saved[0].path.parent.iterdir()] == ["checkpoint.pt"]


def test_no_flipped_bit_and_no_cut_is_continued(saved):
    checkpoint, _ = saved
    sound = checkpoint.path.read_bytes()
    chance = random.Random(0)
    flips = {chance.randrange(8 * len(sound)) for _ in range(60)}
    for flip in flips | {8 * len(sound) - 1, 8 * (len(sound) - 70)}:
        damaged = bytearray(sound)
        damaged[flip // 8] ^= 1 << flip % 8
        checkpoint.path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt: damaged.*delete it"):
            checkpoint.read()
    for kept in (0, 10, len(sound) - 71, len(sound) - 1):
        checkpoint.path.write_bytes(sound[:kept])
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoint.read()


ROWS = "step,epoch,loss,learning_rate,samples_per_second,seconds,gpu_megabytes\n" + "".join(
    f"{step},0,0.5,0.001,9.00,{step}.50,\n" for step in range(3)
)


@pytest.mark.parametrize(
    "damage",
    [
        ROWS.replace("1.50", "1.5x"), ROWS.replace("1,0", "1,nan"), ROWS.replace("\n1,", "\n1\0,"),
        ROWS.replace("1,0,", '1,"0,'), ROWS.replace("1.50", ""), ROWS[:-3],
        ROWS.replace("2.50", "9" * 400), "\udcff" * 9, "",
    ],
)  # fmt: skip
def test_a_damaged_log_is_told_and_the_training_goes_on(tmp_path, damage):
    path = tmp_path / "log.csv"
    path.write_text(damage, errors="surrogateescape")
    with pytest.warns(UserWarning, match=r"log\.csv: damaged.*goes on at its checkpoint"):
        log = TrainingLog(path, step=3, device="cpu")
    log.add(StepDone(3, 0, 4, 0.25, 0.001))
    rows = path.read_text().splitlines()
    assert rows[0] == ROWS.splitlines()[0] and rows[-1].startswith("3,0,0.25,")
    assert set(rows[1:-1]) <= set(ROWS.splitlines())
