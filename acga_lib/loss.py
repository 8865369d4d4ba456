"""The multi-resolution weighted loss (Sec. 3.4, Eq. 14–16)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from acga_lib.decoder import interpolate
from acga_lib.model import Responses


def weighted_bce(response: Tensor, target: Tensor, *, foreground_weight: float) -> Tensor:
    """Eq. 14–15: mean over pixels (and batch) of the weighted binary cross entropy.

    response: logits [B, H, W]; target in [0, 1], same shape. `foreground_weight` is P: 1.5 in
    the paper (Sec. 4.2), 1 for the rows of Table 3 without WBCE.
    """
    response = response.to(target.dtype)  # of a network in mixed precision
    weight = torch.as_tensor(foreground_weight, dtype=response.dtype, device=response.device)
    return F.binary_cross_entropy_with_logits(response, target, pos_weight=weight)


def segmentation_loss(
    responses: Responses,
    masks: Tensor,
    *,
    foreground_weight: float = 1.5,
    resolution_weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Eq. 16: the sum over resolutions; Y^S and Y^M are bilinear interpolations of Y^L.

    masks: ground truth [B, H, W] in {0, 1} at the large resolution -> scalar.
    """
    total = masks.new_zeros(())
    for response, weight in zip(responses[:3], resolution_weights, strict=True):
        target = masks
        if response.shape != masks.shape:
            size = (response.shape[1], response.shape[2])
            target = interpolate(masks.unsqueeze(1), size).squeeze(1)
        total = total + weight * weighted_bce(response, target, foreground_weight=foreground_weight)
    return total
