"""What a training leaves on disk while it runs: its checkpoint and its log."""

import csv
import hashlib
import io
import math
import os
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from acga_lib.errors import CheckpointError
from acga_lib.files.storage import named_if_full, write_text


@dataclass
class Progress:
    """Where a run stands; what a checkpoint restores."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    #: on held-out training videos: "step", "mean_iou", "right" of each time that it was measured
    curve: list[dict[str, float]] = field(default_factory=list)
    #: that earlier processes spent on the steps before the one at which this one continued
    seconds_before: float = 0.0


@dataclass(frozen=True)
class StepDone:
    """A step that is done, as the log tells of it."""

    step: int  #: from 0
    epoch: int  #: from 0
    samples: int
    loss: float  #: mean over the batch
    rate: float  #: learning rate


#: Stands before the hash at a checkpoint's end.
MARK = b"sha256:"


class Checkpoint:
    """One file that is either whole or absent, tied to one configuration and data set.

    Its last 71 bytes are a hash of all others: torch continues from a file with flipped bits, and
    the run would end in other weights.
    """

    def __init__(self, path: Path, *, identity: str) -> None:
        self.path, self.identity = path, identity

    def save(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler,
        state: Progress,
    ) -> None:  # fmt: skip
        """Write to a temporary file, flush it to disk, move it over the old checkpoint.

        Raises StorageError where the disk is full or closed; the old checkpoint stays.
        """
        temporary = self.path.with_suffix(".tmp")
        saved = {
            "identity": self.identity,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict(),
            "step": state.step,
            "losses": state.losses,
            "curve": state.curve,
        }
        with named_if_full(temporary.parent, "a checkpoint"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            try:
                with open(temporary, "x+b") as file:
                    torch.save(saved, file)
                    file.seek(0)
                    file.write(MARK + _digest(file.read()))
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self.path)
            finally:
                temporary.unlink(missing_ok=True)

    def read(self) -> dict[str, Any] | None:
        """What the file holds, as `save` wrote it; None where there is none."""
        if not self.path.exists():
            return None
        try:
            content = self.path.read_bytes()
            body, mark, digest = content.rpartition(MARK)
            if not mark or digest != _digest(body):
                raise ValueError("it is not what its own hash says")
            saved = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
            same = saved["identity"] == self.identity
        except Exception as error:
            raise CheckpointError(
                f"{self.path}: damaged ({error}); delete it to start the run afresh"
            ) from error
        if not same:
            raise CheckpointError(
                f"{self.path}: belongs to another configuration or other data; delete it to "
                "start afresh, or restore the configuration that it was made with"
            )
        return saved


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


class TrainingLog:
    """A table with a row for every step, `log.csv` beside the checkpoint; it stays after the run.

    A row is written when its step is done. Continued at step `step`, the log first loses the rows
    from there on, half-written ones too, so that every step is in it once. A log that was damaged
    stops no run: what is no row of it any more is dropped with a warning.
    """

    COLUMNS = (
        "step", "epoch", "loss", "learning_rate", "samples_per_second", "seconds", "gpu_megabytes"
    )  # fmt: skip

    def __init__(self, path: Path, *, step: int, device: str) -> None:
        kept = self._rows(path, step) if path.is_file() else []
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.COLUMNS, *kept])
        write_text(path, text.getvalue())
        self.path, self.cuda = path, torch.device(device).type == "cuda"
        self.before = float(kept[-1][5]) if kept else 0.0
        self.start = self.last = time.perf_counter()

    @classmethod
    def _rows(cls, path: Path, step: int) -> list[list[str]]:
        """The whole rows of the steps before `step`."""
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        rows = [line.split(",") for line in lines]
        kept = {int(row[0]): row for row in rows if cls._is_row(row) and int(row[0]) < step}
        if len(kept) < step:
            warnings.warn(
                f"{path}: damaged; {step - len(kept)} of {step} earlier steps are lost from it. "
                "The training itself goes on at its checkpoint",
                stacklevel=4,
            )
        return [kept[number] for number in sorted(kept)]

    @classmethod
    def _is_row(cls, row: list[str]) -> bool:
        try:
            *cells, memory = row  # which is empty on a CPU
            numbers = [*map(float, cells), float(memory or 0)]
        except ValueError:
            return False
        return (
            len(row) == len(cls.COLUMNS) and row[0].isdecimal() and all(map(math.isfinite, numbers))
        )

    def add(self, done: StepDone) -> None:
        """The row of a step: seconds since the run began, memory of the GPU at its peak."""
        now = time.perf_counter()
        speed, self.last = done.samples / (now - self.last), now
        seconds = self.before + now - self.start
        peak = f"{torch.cuda.max_memory_allocated() / 2**20:.0f}" if self.cuda else ""
        row = (
            done.step, done.epoch, repr(done.loss), f"{done.rate:g}", f"{speed:.2f}",
            f"{seconds:.2f}", peak,
        )  # fmt: skip
        with (
            named_if_full(self.path.parent, "the log"),
            open(self.path, "a", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file, lineterminator="\n").writerow(row)
