"""Drawn clips to choose from while others are still being drawn."""

import threading
from collections.abc import Iterator
from typing import Self

import torch

from acga_lib.benchmark.writing.scenes import TRUNK_FRAMES
from acga_lib.experiment.trunks.clips import Clips


class Pool:
    """Clips on a device, filled by a thread from those that are drawn."""

    def __init__(self, stream: Iterator[Clips], size: int, device: str) -> None:
        self.stream, self.size, self.device = stream, size, device
        self.drawn = 0
        self.error: Exception | None = None
        self.grown, self.closing = threading.Condition(), False
        self.thread = threading.Thread(target=self._fill, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing = True
        self.thread.join()

    def _fill(self) -> None:
        try:
            for one in self.stream:
                if self.drawn == 0:
                    self.clips = Clips.empty_like(one, self.size, self.device)
                self.clips.write(self.drawn, one.to(self.device))
                with self.grown:
                    self.drawn += 1
                    self.grown.notify()
                if self.closing:
                    return
        except Exception as error:
            with self.grown:
                self.error = error
                self.grown.notify()

    def choose(self, count: int, frames: int, *, least: int, random: torch.Generator) -> Clips:
        """So many frames of `count` clips, once there are `least`. Raises what drawing raised."""
        with self.grown:
            self.grown.wait_for(lambda: self.drawn >= least or self.error)
        if self.error:
            raise self.error
        first = int(torch.randint(TRUNK_FRAMES - frames + 1, (), generator=random))
        chosen = torch.randperm(self.drawn, generator=random)[:count]
        return self.clips.stretch(first, frames)[chosen.to(self.device)]
