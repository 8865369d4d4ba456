"""ACGA: actor and action video segmentation from natural language queries (ICCV 2019).

Axes, everywhere in this package: `B` batch, `T` frames, `C` channels, `H W` pixels of a frame or
response, `h w` cells of the feature grid, `S` pixels of the letterboxed square, `N` words (20),
`D` features of a word (300; `D_T` beside `D_V`, those of a cell), `K` instances of a video, `U`
clips that the `B` sentences of a batch are about.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acga_lib.datasets import open_dataset
    from acga_lib.i3d import load_i3d
    from acga_lib.metrics import segmentation_metrics
    from acga_lib.model import ACGA, Responses
    from acga_lib.segmenter import Segmenter

__all__ = [
    "ACGA", "Responses", "Segmenter", "load_i3d", "open_dataset", "segmentation_metrics",
]  # fmt: skip

#: Where each name is found when it is first asked for: torch takes seconds to import, and the
#: commands that plan jobs or read records do without it.
_MODULES = {
    "ACGA": "model", "Responses": "model", "Segmenter": "segmenter", "load_i3d": "i3d",
    "open_dataset": "datasets", "segmentation_metrics": "metrics",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'acga_lib' has no attribute {name!r}")
    return getattr(_import_module(f"acga_lib.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [name for name in globals() if name.startswith("__")] + __all__
