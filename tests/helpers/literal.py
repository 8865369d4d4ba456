"""The model's equations written out literally: slow, in the order of the paper and the authors.

The tests hold the library against these. Arrays are NumPy unless a docstring says otherwise.
"""

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F


def softmax(scores):
    """A list of numbers -> shares that sum to 1."""
    exponentials = [math.exp(score - max(scores)) for score in scores]
    return [e / sum(exponentials) for e in exponentials]


def linear(layer, x):
    """A fully connected layer applied to one vector [D]."""
    return layer.weight.detach().numpy() @ x + layer.bias.detach().numpy()


def language_attention(module, visual, words):
    """Eq. 3-4 pixel by pixel: [HW, D_V], [N, D_T] -> [HW, D_T], [HW, N]."""
    gathered, attention = [], []
    for pixel in visual:
        aligned = linear(module.align, pixel)  # Eq. 3
        shares = softmax([aligned @ word / math.sqrt(len(word)) for word in words])
        gathered.append(sum(share * word for share, word in zip(shares, words, strict=True)))
        attention.append(shares)
    return np.array(gathered), np.array(attention)


def vision_attention(module, visual, words):
    """Eq. 5-8 pixel by pixel: [HW, D_V], [N, D_T] -> [HW, D_V], [HW, HW]."""
    strongest = np.array([max(column) for column in words.T])
    gates = [linear(module.gate, strongest) for _ in visual]  # Eq. 5, with its Repeat
    queries = [linear(module.query, p) * g for p, g in zip(visual, gates, strict=True)]
    keys = [linear(module.key, p) * g for p, g in zip(visual, gates, strict=True)]  # Eq. 6-7
    values = [linear(module.value, pixel) for pixel in visual]
    gathered, attention = [], []
    for query in queries:
        shares = softmax([query @ key / math.sqrt(visual.shape[1]) for key in keys])
        gathered.append(sum(share * value for share, value in zip(shares, values, strict=True)))
        attention.append(shares)
    return np.array(gathered), np.array(attention)


@cache
def place(height, width):
    """The spatial features of Hu et al. 2016, cell by cell: tensor [8, H, W]."""
    grid = torch.zeros(8, height, width, dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            left, right = column / width * 2 - 1, (column + 1) / width * 2 - 1
            top, bottom = row / height * 2 - 1, (row + 1) / height * 2 - 1
            grid[:, row, column] = torch.tensor(
                [left, top, right, bottom, (left + right) / 2, (top + bottom) / 2,
                 1 / width, 1 / height],
                dtype=torch.float64,
            )  # fmt: skip
    return grid


@cache
@torch.inference_mode(False)
def places(height, width, dtype, device):
    """The same as a tensor [1, 8, H, W] of a type on a device, sent there once."""
    return place(height, width).to(device, dtype).unsqueeze(0)


def head(module, vision, language):
    """Eq. 11 on the concatenated maps: tensors [B, C, H, W], [B, D_T, h, w] -> [B, H, W]."""
    size = vision.shape[2:]
    language = F.interpolate(language, size=size, mode="bilinear", align_corners=False)
    repeated = places(*size, vision.dtype, vision.device).expand(len(vision), -1, -1, -1)
    x = torch.cat([vision, language, repeated], dim=1)
    x = F.relu(F.conv2d(x, module.first.weight, module.first.bias, padding=1))
    x = F.relu(F.conv2d(x, module.second.weight, module.second.bias, padding=1))
    return F.conv2d(x, module.last.weight, module.last.bias)[:, 0]


def decode(module, vision, language):
    """Eq. 10-13: tensors [B, 832, h, w], [B, D_T, h, w] -> three responses."""
    medium = module.deconv_medium(vision)
    large = module.deconv_large(medium)
    responses = [
        head(module.head_small, vision, language),
        head(module.head_medium, medium, language),
        head(module.head_large, large, language),
    ]
    if module.fusion is not None:
        size = responses[2].shape[1:]
        maps = [F.interpolate(r[:, None], size=size, mode="bilinear") for r in responses]
        fused = F.conv2d(
            torch.cat(maps, dim=1), module.fusion.weight, module.fusion.bias, padding=1
        )
        responses[2] = fused[:, 0]
    return responses


def loss(responses, mask, foreground_weight):
    """Eq. 14-16 pixel by pixel for one sample: logits [h, w], [4h, 4w], [16h, 16w] -> number.

    Y^S and Y^M are bilinear: at a whole factor, the average of the two by two pixels in the middle.
    """
    total = 0.0
    for response in responses:
        factor = len(mask) // len(response)
        summed = 0.0
        for i, j in np.ndindex(*response.shape):
            rows = [factor * i + (factor - 1) // 2, factor * i + factor // 2]
            columns = [factor * j + (factor - 1) // 2, factor * j + factor // 2]
            truth = mask[np.ix_(rows, columns)].mean()
            probability = 1 / (1 + math.exp(-response[i, j]))
            summed -= foreground_weight * truth * math.log(probability)
            summed -= (1 - truth) * math.log(1 - probability)
        total += summed / response.size
    return total


# The authors' network, operation by operation, on the library's modules and weights: what
# `make bench` times and the tests hold the library against. Tensors as in the library.


def padded(x, kernel, stride):
    """TensorFlow's SAME for [B, C, T, H, W]: zeros around, the odd one behind."""
    pads = []
    for size in reversed(x.shape[2:]):
        total = max(kernel - (size % stride or stride), 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def unit(module, x):
    """Unit3D: padding, convolution, BatchNorm, ReLU, one after the other."""
    convolution, norm = module.conv3d, module.batch3d
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    x = F.conv3d(padded(x, kernel, stride), convolution.weight, stride=stride)
    x = F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training,
        norm.momentum, norm.eps,
    )  # fmt: skip
    return F.relu(x)


def inception(module, x):
    """The four branches of an Inception block, with torch's 3-D max pooling."""
    pooled = F.max_pool3d(padded(x, 3, 1), 3, 1)
    return torch.cat([
        unit(module.branch_0, x),
        unit(module.branch_1[1], unit(module.branch_1[0], x)),
        unit(module.branch_2[1], unit(module.branch_2[0], x)),
        unit(module.branch_3[1], pooled),
    ], dim=1)  # fmt: skip


def trunk(module, x):
    """I3D to Mixed_4e: clips [B, 3, T, S, S] -> [B, 528, T/4, S/16, S/16]."""

    def pool(x, kernel, stride):
        pads = []
        for size, k, s in zip(
            reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True
        ):
            total = max(k - (size % s or s), 0)
            pads += [total // 2, total - total // 2]
        return F.max_pool3d(F.pad(x, pads), kernel, stride)

    x = pool(unit(module.conv3d_1a_7x7, x), (1, 3, 3), (1, 2, 2))
    x = unit(module.conv3d_2c_3x3, unit(module.conv3d_2b_1x1, x))
    x = pool(x, (1, 3, 3), (1, 2, 2))
    x = pool(inception(module.mixed_3c, inception(module.mixed_3b, x)), (3, 3, 3), (2, 2, 2))
    for name in ("mixed_4b", "mixed_4c", "mixed_4d", "mixed_4e"):
        x = inception(getattr(module, name), x)
    return x


def acga(model, features, words):
    """ACGA as the authors compute it -> three responses (logits)."""
    encoder, network = model.visual_encoder, model.attention
    vision = encoder.length * F.normalize(inception(encoder.mixed_4f, features).mean(dim=2), dim=1)
    words = model.text_encoder(words)
    batch, channels, h, w = vision.shape
    where = places(h, w, vision.dtype, vision.device).expand(batch, -1, -1, -1)
    visual = torch.cat([vision, where], dim=1).flatten(2).transpose(1, 2)
    aligned = network.language.align(visual)
    shares = (aligned @ words.transpose(1, 2) / math.sqrt(words.shape[2])).softmax(dim=2)
    language = (shares @ words).transpose(1, 2).unflatten(2, (h, w))
    sentence = words.amax(dim=1, keepdim=True).expand(-1, h * w, -1)
    gate = network.vision.gate(sentence)
    query, key = network.vision.query(visual) * gate, network.vision.key(visual) * gate
    context = (query @ key.transpose(1, 2) / math.sqrt(visual.shape[2])).softmax(dim=2)
    attended = (context @ network.vision.value(visual)).transpose(1, 2).unflatten(2, (h, w))
    return decode(model.decoder, attended[:, :channels], language)


def gavrilyuk(model, features, words):
    """Gavrilyuk et al., each map built and then filtered -> three responses (logits)."""
    encoder = model.visual_encoder
    seen = inception(encoder.mixed_4f, features).mean(dim=2)
    maps = [encoder.length * F.normalize(seen, dim=1)]
    for deconvolution in (model.deconv_medium, model.deconv_large):
        maps.append(deconvolution(maps[-1]))
    pairs = torch.cat([words[:, :-1], words[:, 1:]], dim=2)  # words i and i + 1
    kernel = torch.cat([model.text.weight[:, :, 0], model.text.weight[:, :, 1]], dim=1)
    sentence = (pairs @ kernel.T + model.text.bias).clamp(min=0).amax(dim=1)
    responses = []
    for vision, layer in zip(maps, model.filters, strict=True):
        where = places(*vision.shape[2:], vision.dtype, vision.device)
        visual = torch.cat([vision, where.expand(len(vision), -1, -1, -1)], dim=1)
        responses.append(torch.einsum("bc,bchw->bhw", torch.tanh(layer(sentence)), visual))
    return responses
