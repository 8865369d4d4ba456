"""Several processes that train one network: who one is, and what is said to the others.

`torchrun` starts them and tells each its number; with one process every function here does nothing.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from acga_lib.errors import ConfigError

Value = TypeVar("Value")

#: One process extracts features and scores while the others wait; `torchrun` ends all of them when
#: one dies (`leave`), so waiting long costs nothing.
PATIENCE = timedelta(days=2)


#: There where the driver of an NVIDIA GPU is loaded.
DRIVER = Path("/dev/nvidiactl")


def default_device() -> str:
    """ "cuda" where a GPU is usable, else "cpu".

    Of a GPU that torch cannot use it warns. Raises ConfigError where this process was given one, as
    a cluster's job is: what takes hours there would take weeks on the processor.
    """
    if torch.cuda.is_available():
        return "cuda"
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if DRIVER.exists() and given not in ("", "-1"):
        message = (
            f"this machine has an NVIDIA GPU that torch {torch.__version__} cannot use (built for "
            f"CUDA {torch.version.cuda}): install a torch for its driver, "
            "https://pytorch.org/get-started/locally tells which"
        )
        if given:
            raise ConfigError(f"{message}; or set CUDA_VISIBLE_DEVICES= to compute without it")
        warnings.warn(f"{message}. All is computed on the processor", stacklevel=2)
    return "cpu"


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
    than processes. After an error in its body the processes are still joined: to part from ones
    that wait for this one would last for ever; `leave` ends it.
    """
    local, cuda = local_rank(), default_device() == "cuda"
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
    yield f"cuda:{local}" if cuda else "cpu"
    if dist.is_initialized():
        dist.destroy_process_group()


def leave(status: int) -> None:
    """End this process at once if others train with it, so that `torchrun` ends these, too."""
    if count() > 1:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


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
