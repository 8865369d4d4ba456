"""The multi-resolution weighted loss (Sec. 3.4, Eq. 14–16)."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from acga_lib.decoder import interpolate
from acga_lib.model import Responses


def weighted_bce(
    response: Tensor, target: Tensor, *, foreground_weight: float, background_weight: float = 1.0
) -> Tensor:
    """Eq. 14–15: mean over pixels (and batch) of the weighted binary cross entropy.

    response: logits [B, H, W]; target in [0, 1], same shape. `foreground_weight` is P: 1.5 in
    the paper (Sec. 4.2), 1 for the rows of Table 3 without WBCE. With both weights 1 it is, where
    the target is 0 or 1, Gavrilyuk et al.'s logistic loss, mean log(1 + exp(-S Y)) with Y = ±1;
    a target in between, as bilinear interpolation makes them, mixes the losses of both.
    """
    response = response.to(target.dtype)  # of a network in mixed precision
    ratio = foreground_weight / background_weight
    weight = response.new_full((), ratio)  # made on the device: a copy there would wait for it
    loss = F.binary_cross_entropy_with_logits(response, target, pos_weight=weight)
    return background_weight * loss


#: How the small ground truths come from the large one (`methods.Stage.coarse_truth`).
COARSE: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "interpolated": interpolate,  # Sec. 3.4: Y^S and Y^M are bilinear interpolations of Y^L
    "any": F.adaptive_max_pool2d,
}


def segmentation_loss(
    responses: Responses,
    masks: Tensor,
    *,
    foreground_weight: float = 1.5,
    background_weight: float = 1.0,
    resolution_weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    coarse_truth: str = "interpolated",
) -> Tensor:
    """Eq. 16: the weighted sum over the resolutions that the method has.

    masks: ground truth [B, H, W] in {0, 1} at the large resolution -> scalar.
    """
    total = masks.new_zeros(())
    for response, weight in zip(responses[:3], resolution_weights, strict=True):
        if response is None or weight == 0:
            continue
        target = masks
        if response.shape != masks.shape:
            size = (response.shape[1], response.shape[2])
            target = COARSE[coarse_truth](masks.unsqueeze(1), size).squeeze(1)
        total = total + weight * weighted_bce(
            response, target, foreground_weight=foreground_weight,
            background_weight=background_weight,
        )  # fmt: skip
    return total
