"""What the small networks name while they are trained: losses and scores of their heads.

A head answers, at every cell, which actor-action pair, which actor, colour or pattern is there.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from acga_lib.benchmark.world.scene import ACTORS, COLORS, PATTERNS
from acga_lib.experiment.trunks.clips import ACTOR_OF, BACKGROUND, IGNORE, PAIRS

#: How many classes a head tells apart; pairs and actors have one more for the background.
CLASSES = {
    "pair": len(PAIRS) + 1, "actor": len(ACTORS) + 1, "color": len(COLORS),
    "pattern": len(PATTERNS),
}  # fmt: skip


def pair_loss(logits: Tensor, pairs: Tensor) -> Tensor:
    """Cross entropy of the pair, of its actor alone and of its action alone, on labelled cells.

    logits [B, 44, h, w], pairs [B, h, w] -> scalar. The two marginals let what the actors (the
    actions) have in common be learnt from all of them.
    """
    scores, wanted = _labelled(logits, pairs)
    seen = wanted < BACKGROUND
    loss = F.nll_loss(scores, wanted) + F.nll_loss(scores[seen], wanted[seen])
    for part in (0, 1):
        names = sorted({pair[part] for pair in PAIRS})
        groups = torch.tensor([names.index(pair[part]) for pair in PAIRS], device=logits.device)
        member = F.one_hot(groups).T.bool()  # [names, pairs]
        marginal = scores[seen, :BACKGROUND].unsqueeze(1)
        marginal = marginal.masked_fill(~member, -torch.inf).logsumexp(dim=2)
        loss = loss + F.nll_loss(marginal, groups[wanted[seen]])
    return loss


def actor_loss(logits: Tensor, actors: Tensor) -> Tensor:
    """Cross entropy of the actor on labelled cells, those that show one counted twice.

    logits [B, 8, h, w], actors [B, h, w] -> scalar.
    """
    scores, wanted = _labelled(logits, actors)
    seen = wanted < len(ACTORS)
    return F.nll_loss(scores, wanted) + F.nll_loss(scores[seen], wanted[seen])


def joint(actors: Tensor, pairs: Tensor) -> Tensor:
    """Log-probabilities of pairs: of their actors by one head, of the action given it by another.

    actors: logits [B, 8, h, w]; pairs: logits [B, 44, h, w], background last -> [B, 44, h, w].
    """
    of_pair = torch.from_numpy(ACTOR_OF).to(pairs.device)
    member = F.one_hot(of_pair).T.bool()[..., None, None]  # [8, 44, 1, 1]
    alike = pairs.unsqueeze(1).masked_fill(~member, -torch.inf).logsumexp(dim=2)
    return pairs + (actors.log_softmax(dim=1) - alike)[:, of_pair]


def _labelled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [n, classes] and labels [n] of the cells that have one."""
    kept = labels != IGNORE
    return logits.permute(0, 2, 3, 1)[kept].log_softmax(dim=1), labels[kept]


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "pair": pair_loss, "actor": actor_loss, "color": F.cross_entropy,
    "pattern": F.cross_entropy,
}  # fmt: skip


def object_cells(pairs: NDArray) -> NDArray[np.bool_]:
    """Which cells show an instance and nothing else."""
    return (pairs >= 0) & (pairs < BACKGROUND)


def _hits(name: str, scores: NDArray, wanted: NDArray) -> dict[str, NDArray[np.bool_]]:
    """scores [n, classes], wanted [n] -> which cells the head names rightly."""
    return {name: scores.argmax(axis=1) == wanted}


def _pair_hits(scores: NDArray, wanted: NDArray) -> dict[str, NDArray[np.bool_]]:
    """scores [n, 44], wanted [n] -> which cells have the right pair, actor, action."""
    pair, actors = _hits("pair", scores, wanted), ACTOR_OF[:BACKGROUND]
    scores = scores[:, :BACKGROUND]
    of_actor = np.where(actors[None] == actors[wanted][:, None], scores, -np.inf)
    return pair | {
        "actor": actors[scores.argmax(axis=1)] == actors[wanted],
        "action": of_actor.argmax(axis=1) == wanted,
    }


HITS: dict[str, Callable[[NDArray, NDArray], dict[str, NDArray[np.bool_]]]] = {
    "pair": _pair_hits, "actor": partial(_hits, "actor"), "color": partial(_hits, "color"),
    "pattern": partial(_hits, "pattern"),
}  # fmt: skip
