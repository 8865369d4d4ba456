"""What a generated video shows: the vocabulary shared by the renderer and the sentences.

A `Scene` is a complete, deterministic description of one video. `renderer.render` turns it into
frames and masks, `sentences.describe` into sentences; neither knows the other.
"""

from dataclasses import dataclass

#: A2D's seven actors and nine actions in the order of their label digits (1-based).
ACTORS = ("adult", "baby", "ball", "bird", "car", "cat", "dog")
ACTIONS = (
    "climbing", "crawling", "eating", "flying", "jumping", "rolling", "running", "walking", "none",
)  # fmt: skip

#: The 43 actor-action pairs that A2D allows (Xu et al. 2015).
ACTIONS_OF = {
    "adult": ("climbing", "crawling", "eating", "jumping", "rolling", "running", "walking", "none"),
    "baby": ("climbing", "crawling", "rolling", "walking", "none"),
    "ball": ("flying", "jumping", "rolling", "none"),
    "bird": ("climbing", "eating", "flying", "jumping", "rolling", "walking", "none"),
    "car": ("flying", "jumping", "rolling", "running", "none"),
    "cat": ("climbing", "eating", "jumping", "rolling", "running", "walking", "none"),
    "dog": ("crawling", "eating", "jumping", "rolling", "running", "walking", "none"),
}

#: Colour names that a sentence may use; the palette draw jitters around them.
COLORS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "gray", "black",
)  # fmt: skip
PATTERNS = ("plain", "striped", "spotted")
BACKGROUNDS = ("grass", "road", "floor", "beach", "snow", "water", "hill")


@dataclass(frozen=True)
class Instance:
    """One puppet.

    `x`, `y` are the centre of the puppet at the middle frame as fractions of frame width and
    height; `size` is its height as a fraction of the frame's height; `facing` is -1 (left) or +1
    (right); `depth` orders the painting, larger is nearer to the camera. Everything else that
    varies (build, exact colour, pose, tempo) is drawn from `seed`.
    """

    actor: str
    action: str
    color: str
    pattern: str
    x: float
    y: float
    size: float
    facing: int
    depth: float
    seed: int


@dataclass(frozen=True)
class Scene:
    """One video: `frames` frames of `height` x `width` pixels.

    `split` selects the pools of textures, palettes and trajectories, which train and test never
    share: one of `palette.SPLITS` and `OTHER_SPLITS`, as "train", "test", or "trunk" (on which the
    small frozen networks are trained).
    """

    instances: tuple[Instance, ...]
    background: str
    frames: int
    height: int
    width: int
    seed: int
    split: str


def label(actor: str, action: str) -> int:
    """A2D's two-digit label of an actor-action pair, e.g. cat-eating = 63."""
    return 10 * (ACTORS.index(actor) + 1) + ACTIONS.index(action) + 1
