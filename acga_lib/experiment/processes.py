"""Several processes that train one network: who one is, and what is said to the others.

`torchrun` starts them and tells each its number; with one process every function here does nothing.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from acga_lib.errors import ConfigError

Value = TypeVar("Value")

#: One process extracts features and scores while the others wait; `torchrun` ends all of them when
#: one dies, so waiting long costs nothing.
PATIENCE = timedelta(days=2)


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_rank() -> int:
    """This process's number on this machine, also before and after `joined`."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_main() -> bool:
    """Whether this is the process that writes checkpoint, log and record."""
    return rank() == 0


@contextmanager
def joined() -> Iterator[str]:
    """Join the processes that `torchrun` started -> this one's device, "cuda:1" or "cpu".

    Alone, as without `torchrun`, nothing is joined. Raises ConfigError where there are fewer GPUs
    than processes.
    """
    local, cuda = local_rank(), torch.cuda.is_available()
    if cuda and local >= torch.cuda.device_count():
        raise ConfigError(
            f"process {local + 1} of this machine has no GPU, since there are "
            f"{torch.cuda.device_count()}: start one process for each"
        )
    if cuda:
        torch.cuda.set_device(local)
    if "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ["WORLD_SIZE"]) > 1:
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield f"cuda:{local}" if cuda else "cpu"
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def shared(value: Value) -> Value:
    """The main process's value, in every process; all of them must call."""
    if count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def summed(value: Tensor) -> Tensor:
    """The sum of a tensor over the processes; all of them must call."""
    if count() > 1:
        dist.all_reduce(value)
    return value


def wrapped(module: nn.Module) -> nn.Module:
    """The module, in torch's DDP where there are several processes."""
    return DistributedDataParallel(module, find_unused_parameters=True) if count() > 1 else module


def exchange(module: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Around forward and backward of a `wrapped` module: exchange gradients now, or add to them."""
    if isinstance(module, DistributedDataParallel) and not now:
        return module.no_sync()
    return nullcontext()
