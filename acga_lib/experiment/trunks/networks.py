"""The small networks as they are trained: their parts, and the heads that name what is there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from acga_lib.experiment.execution import mixed_precision
from acga_lib.experiment.trunks.clips import INPUTS, Clips, Views, labels
from acga_lib.experiment.trunks.heads import CLASSES, LOSSES
from acga_lib.experiment.trunks.joining import side_by_side
from acga_lib.experiment.trunks.stills import see_frames_alone, still_features
from acga_lib.i3d import I3D, block_output, scaled
from acga_lib.vgg import CONNECTED, VGG16

#: What a cosine is multiplied by to be a logit.
SHARPNESS = 16.0


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network in training: its parts, how one is built at a width, its output, and its file.

    heads: what each part names. `finished` turns the trained parts into the network whose weights
    are kept in `file`; the parts' widths add up to its own.
    """

    modality: str
    width: float
    file: str
    build: Callable[[float], nn.Module]
    channels: Callable[[float], int]
    heads: dict[str, tuple[str, ...]]
    finished: Callable[[Sequence[Any]], nn.Module]


#: The networks of the committed weights.
NETWORKS = {
    network.modality: network
    for network in (
        Network(
            modality="rgb", width=0.5, file="toy_i3d_rgb.safetensors",
            build=lambda width: I3D(width=width), channels=partial(block_output, "mixed_4f"),
            heads={"frames": ("actor", "color", "pattern"), "motion": ("pair",)},
            finished=side_by_side,
        ),
        Network(
            modality="flow", width=0.25, file="toy_i3d_flow.safetensors",
            build=lambda width: I3D(width=width, channels_in=2),
            channels=partial(block_output, "mixed_4f"), heads={"motion": ("pair",)},
            finished=side_by_side,
        ),
        Network(
            modality="image", width=0.125, file="toy_vgg.safetensors",
            build=lambda width: add_batch_norm(VGG16(width=width)),
            channels=partial(scaled, CONNECTED["fc8"][0]),
            heads={"frames": ("actor", "color", "pattern")},
            finished=lambda parts: fold_batch_norm(parts[0]),
        ),
    )
}  # fmt: skip


def add_batch_norm(model: VGG16) -> VGG16:
    """Put BatchNorm behind every layer but fc8, in place: VGG does not train from scratch without.

    `fold_batch_norm` takes it out again.
    """
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Conv2d) and name != "fc8":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            setattr(model, name, nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels)))
    return model


def fold_batch_norm(model: VGG16) -> VGG16:
    """Multiply BatchNorm's statistics into the weights and biases, in place -> eval mode.

    The network computes what it computed in eval mode, and is the plain `VGG16` again.
    """
    model.eval()
    for name, layer in list(model.named_children()):
        match list(layer.children()):
            case [nn.Conv2d() as convolution, nn.BatchNorm2d() as norm]:
                setattr(model, name, fuse_conv_bn_eval(convolution, norm))
    return model


class DenseClassifier(nn.Module):
    """A network with its training heads, for example pair [B, 44, h, w] and colour [B, 11, h, w].

    A logit is `SHARPNESS` times the cosine of the feature and its class, so that classes end up
    far apart in what the methods read: unit vectors averaged over time (`model.VisualEncoder`).
    """

    def __init__(self, kind: Network, part: str, width: float) -> None:
        super().__init__()
        self.kind, self.part = kind, part
        self.network = kind.build(width)
        if isinstance(self.network, I3D) and part == "frames":
            see_frames_alone(self.network)
        channels = kind.channels(width)
        self.heads = nn.ParameterDict(
            {name: torch.randn(CLASSES[name], channels) for name in kind.heads[part]}
        )

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Clips [B, C, T, S, S] or frames [B, C, S, S] -> the logits [B, classes, h, w]."""
        if inputs.ndim == 4 and isinstance(self.network, I3D):
            features = still_features(self.network, inputs)
        else:
            features = self.network(inputs)
        unit = F.normalize(features.mean(dim=2) if features.ndim == 5 else features, dim=1)
        return {
            name: SHARPNESS * torch.einsum("bchw,kc->bkhw", unit, F.normalize(weight, dim=1))
            for name, weight in self.heads.items()
        }

    def see(self, clips: Clips, views: Views) -> dict[str, Tensor]:
        """The logits of drawn clips, in half precision where that is fast."""
        inputs = INPUTS[self.kind.modality](clips, views)
        if inputs.ndim == 5 and inputs.shape[2] == 1:
            inputs = inputs[:, :, 0]
        layout = torch.channels_last_3d if inputs.ndim == 5 else torch.channels_last
        with mixed_precision(str(inputs.device)):
            return self(inputs.contiguous(memory_format=layout))

    def look(self, clips: Clips, views: Views) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """-> logits and labels of what the network is shown, one frame or all of a clip."""
        shown = clips.middle if self.kind.modality == "image" else clips
        return self.see(shown, views), labels(shown, views)

    def loss(self, clips: Clips, views: Views) -> Tensor:
        """The sum over the heads of what their answers about drawn clips cost."""
        logits, wanted = self.look(clips, views)
        losses = [LOSSES[name](out.float(), wanted[name]) for name, out in logits.items()]
        return torch.stack(losses).sum()
