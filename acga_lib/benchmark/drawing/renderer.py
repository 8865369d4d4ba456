"""Scene → frames and masks: the camera, the painting order, what hides what.

Rendering is deterministic: every draw comes from a generator seeded with the split and a seed of
the scene or instance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from acga_lib.benchmark.drawing import props
from acga_lib.benchmark.drawing.brush import Brush, over
from acga_lib.benchmark.drawing.look import Look, appearance
from acga_lib.benchmark.drawing.puppets import draw
from acga_lib.benchmark.drawing.scenery import MARGIN, Backdrop, backdrop, behind
from acga_lib.benchmark.world.motion import Pose, poses, shape
from acga_lib.benchmark.world.palette import generator
from acga_lib.benchmark.world.scene import Instance, Scene

#: Of each instance, at least this share of the pixels inside the frame stays clear of the occluder.
VISIBLE = 0.4
OCCLUDER_CHANCE = 0.35
#: Height of a jump and of the step in a gait, in puppet heights.
JUMP, BOB = 0.45, 0.03
#: A car is more than twice as wide as high; at full height it would fill the frame.
SCALE = {"car": 0.8}
#: Canvas pixels per output pixel of a puppet, and the least and the most of them per unit.
SUPERSAMPLING, COARSEST, FINEST = 1.6, 24, 192
NOISE = 2.5


@dataclass(frozen=True)
class Layer:
    """One puppet in one frame: premultiplied RGBA, uint8 [h, w, 4], at row `top`, column `left`."""

    image: np.ndarray
    top: int
    left: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the layer covers."""
        height, width = self.image.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def render(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Render `scene`.

    Returns:
        frames, uint8 [T, H, W, 3] RGB, and masks, bool [K, T, H, W], one per instance in the
        scene's order: its visible pixels, without those hidden by nearer instances or by the
        foreground occluder. Masks are disjoint. Any number of frames works, also a single one.

    An occluder is left out if it would leave less than `VISIBLE` of an instance (of its pixels
    inside the frame and not already hidden by other instances) in any frame. How much instances
    hide of each other is up to the layout.
    """
    size = (scene.height, scene.width)
    camera = camera_path(scene)
    tracks = [
        layers(one, appearance(one, split=scene.split, unit=unit_of(one, scene)), scene, camera)
        for one in scene.instances
    ]
    masks = visible(scene, tracks, painting_order(scene))
    screen = _occluder(scene)
    veils = [] if screen is None else [_project(screen, matrix, size) for matrix in camera]
    if veils:
        hidden = np.stack([veil[:, :, 3] >= 128 for veil in veils])
        clear = masks & ~hidden
        if (clear.sum((2, 3)) < VISIBLE * masks.sum((2, 3))).any():
            veils = []
        else:
            masks = clear
    frames = compose(
        scene, backdrop(scene), camera, tracks, order=painting_order(scene), veils=veils
    )
    return frames, masks


@dataclass(frozen=True)
class Hand:
    """How a camera is held: most zoom per frame, most pan per frame in frame widths, and how many
    times the usual shake."""

    zoom: float
    pan: float
    shake: float


STEADY_HAND = Hand(zoom=0.003, pan=0.001, shake=1.0)


def camera_path(scene: Scene, hand: Hand = STEADY_HAND) -> list[np.ndarray]:
    """World-to-frame matrices [2, 3], one per frame: a slow zoom and pan, and a shaky hand.

    At the middle frame the camera is at rest, so that an instance's `x`, `y` hold exactly.
    """
    random = generator(scene.split, scene.seed, "camera")
    zoom = random.uniform(-hand.zoom, hand.zoom)
    pan = random.uniform(-hand.pan, hand.pan, 2) * (scene.width, 0.5 * scene.height)
    rates, phases = random.uniform(0.25, 0.9, (2, 3)), random.uniform(0, 2 * np.pi, (2, 3))
    strength = hand.shake * random.uniform(0.1, 0.7, (2, 3))
    centre = np.array([scene.width, scene.height]) / 2
    matrices = []
    for frame in range(scene.frames):
        time = frame - scene.frames // 2
        shake = (strength * (np.sin(rates * time + phases) - np.sin(phases))).sum(1)
        scale = np.exp(zoom * time)
        shift = centre - scale * (centre + MARGIN) + pan * time + shake
        matrices.append(np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]]))
    return matrices


def height_of(instance: Instance, scene: Scene) -> float:
    """The height of the upright puppet, pixels."""
    return instance.size * scene.height * SCALE.get(instance.actor, 1.0)


def unit_of(instance: Instance, scene: Scene) -> int:
    """Canvas pixels per unit of the puppet's height."""
    return round(min(max(SUPERSAMPLING * height_of(instance, scene), COARSEST), FINEST))


def layers(
    instance: Instance, look: Look, scene: Scene, camera: list[np.ndarray]
) -> list[Layer | None]:
    """The puppet in every frame, None where it is outside of the frame."""
    track = poses(instance, frames=scene.frames, split=scene.split)
    pixels = height_of(instance, scene)
    middle = track[scene.frames // 2]
    found = []
    for pose, matrix in zip(track, camera, strict=True):
        form = shape(pose, instance.actor)
        canvas = draw(look, form)
        scale = pixels / look.unit
        squash = np.diag([instance.facing * form.stretch * scale, scale / form.stretch])
        angle = instance.facing * form.tilt
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        at = np.array([instance.x + pose.dx, instance.y + pose.dy])
        centre = at * (scene.width, scene.height)
        centre[1] -= pixels * (_rise(pose, instance) - _rise(middle, instance))
        inner = turned @ squash
        outer = matrix[:, :2] @ (centre + MARGIN) + matrix[:, 2]
        found.append(place(canvas, matrix[:, :2] @ inner, outer, (scene.height, scene.width)))
    return found


def _rise(pose: Pose, instance: Instance) -> float:
    """Height above the ground in puppet heights, from the jump and the bobbing of a gait."""
    form = shape(pose, instance.actor)
    legs = 0.0 if instance.actor in ("ball", "car") else BOB
    return JUMP * form.lift + legs * float(np.cos(2 * form.stride))


def place(
    canvas: np.ndarray, linear: np.ndarray, centre: np.ndarray, size: tuple[int, int]
) -> Layer | None:
    """Warp `canvas` by `linear` [2, 2] around its middle so that the middle falls on `centre`."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(canvas[:, :, 3]))
    half = canvas.shape[0] / 2
    corners = np.array([(x, y), (x + width, y), (x, y + height), (x + width, y + height)]) - half
    reach = corners @ linear.T + centre
    low = np.maximum(np.floor(reach.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(reach.max(0)).astype(int) + 1, size[::-1])
    if (high <= low).any():
        return None
    # Pixel centres lie at half-integers, OpenCV's at integers.
    shift = centre - linear @ np.array([half - 0.5, half - 0.5]) - low - 0.5
    matrix = np.concatenate([linear, shift[:, None]], 1)
    extent = (int(high[0] - low[0]), int(high[1] - low[1]))
    return Layer(cv2.warpAffine(canvas, matrix, extent), top=int(low[1]), left=int(low[0]))


def painting_order(scene: Scene) -> list[int]:
    """Indices of the instances from far to near; equal depths in the scene's order."""
    return sorted(range(len(scene.instances)), key=lambda k: scene.instances[k].depth)


def visible(scene: Scene, tracks: list[list[Layer | None]], order: list[int]) -> np.ndarray:
    """Masks [K, T, H, W] of what the tracks later in `order` leave of each track."""
    masks = np.zeros((len(tracks), scene.frames, scene.height, scene.width), bool)
    for k in order:
        for frame, layer in enumerate(tracks[k]):
            if layer is not None:
                solid = layer.image[:, :, 3] >= 128
                masks[(slice(None), frame, *layer.window)] &= ~solid
                masks[(k, frame, *layer.window)] = solid
    return masks


def _occluder(scene: Scene) -> np.ndarray | None:
    """Sometimes a post or a bush in front of one instance: premultiplied RGBA of the world."""
    random = generator(scene.split, scene.seed, "occluder")
    chance, kind, where, wide = random.uniform(0, 1, 4)
    if chance > OCCLUDER_CHANCE or not scene.instances:
        return None
    target = scene.instances[int(random.integers(len(scene.instances)))]
    pixels = target.size * scene.height
    x = target.x * scene.width + (where - 0.5) * pixels + MARGIN
    brush = Brush(
        np.zeros((scene.height + 2 * MARGIN, scene.width + 2 * MARGIN, 4), np.uint8), 1, (0.0, 0.0)
    )
    if kind < 0.5:
        props.post(brush, x, (0.10 + 0.10 * wide) * pixels, brush.canvas.shape[0])
    else:
        foot = target.y * scene.height + 0.52 * pixels + MARGIN
        props.bush(brush, x, foot, (0.6 + 0.4 * wide) * pixels, random)
    return brush.canvas


def _project(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpAffine(image, matrix, size[::-1])


def compose(
    scene: Scene,
    stage: Backdrop,
    camera: list[np.ndarray],
    tracks: list[list[Layer | None]],
    *,
    order: list[int],
    veils: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Compose the frames from far to near, uint8 [T, H, W, 3], and add the sensor's noise.

    Args:
        camera: world-to-frame matrices [2, 3], one per frame.
        tracks: layers of everything that stands on the stage, painted in `order`.
        veils: what is in front of everything, premultiplied RGBA [H, W, 4] per frame.
    """
    size = (scene.height, scene.width)
    random = generator(scene.split, scene.seed, "noise")
    grain = random.normal(0, NOISE, (size[0] + 32, size[1] + 32, 3)).astype(np.float32)
    offsets = random.integers(0, 32, (scene.frames, 2))
    frames = np.empty((scene.frames, *size, 3), np.uint8)
    for t, matrix in enumerate(camera):
        frame = behind(stage, time=t - scene.frames // 2, camera=matrix, size=size)
        for k in order:
            layer = tracks[k][t]
            if layer is not None:
                frame[layer.window] = over(frame[layer.window], layer.image)
        if len(veils):
            frame = over(frame, veils[t])
        top, left = offsets[t]
        noise = grain[top : top + size[0], left : left + size[1]]
        frames[t] = np.clip(np.rint(frame + noise), 0, 255)
    return frames
