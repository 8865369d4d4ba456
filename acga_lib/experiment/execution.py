"""How a training is computed, as opposed to what it computes: precision and accumulation.

These options may change the last digits of a result and how long it takes. They are recorded with
a run, but a run is the same run under any of them, and may be continued under others.
"""

import ctypes
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch

from acga_lib.config import PRECISIONS
from acga_lib.errors import ConfigError
from acga_lib.experiment import processes
from acga_lib.parameters import choose
from acga_lib.profiles import Profile


def mixed_precision(device: str, *, enabled: bool = True) -> torch.autocast:
    """Autocast to bfloat16 if `enabled` and the device computes faster in it.

    That is CUDA from Ampere on, and CPUs with instructions for it. Elsewhere, with AVX-512 too,
    torch converts back and forth: on an Ice Lake server a step of ACGA then takes twice as long as
    in fp32.
    """
    kind = torch.device(device).type
    if enabled:
        enabled = multiplies_bfloat16() if kind == "cpu" else half_type(device) == torch.bfloat16
    return torch.autocast(kind, torch.bfloat16, enabled=enabled)


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for products in bfloat16. An older torch knows of none."""
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def half_type(device: str) -> torch.dtype:
    """The half precision that a device computes in by itself: a T4 has fp16 only."""
    cuda = torch.device(device).type == "cuda"
    if cuda and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def rounds_convolutions() -> bool:
    """Whether the GPU takes 10 bits of a number into convolutions: torch's default from A100 on."""
    new = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    return new and torch.backends.cudnn.allow_tf32


def keep_freed_memory() -> None:
    """Let this process keep the memory of freed tensors for the next ones, where its C library can.

    By default glibc returns blocks above 32 MB to the system at once, and the pages of the next
    ones are cleared when first touched: an eighth of a step of Gavrilyuk et al. in the small
    profiles, on a virtual machine. What a process has used at its peak it keeps until it ends.
    """
    mmap_max, trim_threshold = -4, -1  # of glibc's malloc.h
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a training is computed. Raises ConfigError for an unknown or impossible value."""

    precision: str = "profile"  #: one of PRECISIONS
    #: pieces in which a process computes its share of a batch, one after the other, for cards with
    #: little memory; the step is that of the whole batch. BatchNorm alone sees a piece (`train`).
    accumulate: int = 1

    def __post_init__(self) -> None:
        choose("precision", PRECISIONS, self.precision)
        if type(self.accumulate) is not int or self.accumulate < 1:
            raise ConfigError(
                f"accumulate must be a whole number from 1, not {self.accumulate!r}: the pieces "
                "in which a batch is computed"
            )

    def autocast(self, device: str, profile: Profile) -> torch.autocast:
        """The context in which the network is computed."""
        if self.precision == "mixed":
            return torch.autocast(torch.device(device).type, half_type(device))
        by_profile = self.precision == "profile" and profile.training.bfloat16
        return mixed_precision(device, enabled=by_profile)

    def scaler(self, device: str) -> torch.amp.GradScaler:
        """Scales the loss where gradients would vanish in fp16; elsewhere does nothing."""
        small = self.precision == "mixed" and half_type(device) == torch.float16
        return torch.amp.GradScaler(torch.device(device).type, enabled=small)

    def describe(self, device: str, profile: Profile) -> dict[str, Any]:
        """What a run record says of it: the options, the number type, the processes."""
        kind = torch.device(device).type
        with self.autocast(device, profile):
            active = torch.is_autocast_enabled(kind)
            number = torch.get_autocast_dtype(kind) if active else torch.float32
        computed = str(number).removeprefix("torch.")
        if number == torch.float32 and kind == "cuda" and rounds_convolutions():
            computed += ", convolutions in TF32"
        return asdict(self) | {"computed_in": computed, "processes": processes.count()}


#: One process, whole batches, the profile's precision.
PLAIN = Execution()
