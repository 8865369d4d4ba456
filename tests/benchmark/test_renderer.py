"""The renderer of the embedded benchmark: what a frame shows, and what it must not give away."""

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from acga_lib.benchmark.drawing.renderer import render
from acga_lib.benchmark.world.motion import ANGLES, poses
from acga_lib.benchmark.world.palette import SPLITS, variants
from acga_lib.benchmark.world.scene import (
    ACTIONS,
    ACTIONS_OF,
    ACTORS,
    BACKGROUNDS,
    COLORS,
    Instance,
    Scene,
)


def instance(
    actor: str, action: str, *, seed: int = 5, x: float = 0.5, depth: float = 0.0
) -> Instance:
    return Instance(
        actor=actor, action=action, color="red", pattern="striped", x=x, y=0.6, size=0.4,
        facing=1, depth=depth, seed=seed,
    )  # fmt: skip


def scene(*instances: Instance, frames: int = 5, seed: int = 1, split: str = "train") -> Scene:
    return Scene(
        instances=instances, background=BACKGROUNDS[seed % len(BACKGROUNDS)], frames=frames,
        height=96, width=128, seed=seed, split=split,
    )  # fmt: skip


TRIO = (
    instance("cat", "walking", x=0.3),
    instance("adult", "jumping", x=0.45, depth=0.5),
    instance("car", "running", x=0.7, depth=1.0),
)


def test_the_same_scene_renders_to_the_same_bytes() -> None:
    first, second = render(scene(*TRIO)), render(scene(*TRIO))
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_rendering_leaves_the_global_generator_alone() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    render(scene(*TRIO, frames=1))
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize("frames", [1, 6])
def test_masks_are_disjoint_and_not_empty(frames: int) -> None:
    video, masks = render(scene(*TRIO, frames=frames))
    assert video.shape == (frames, 96, 128, 3) and video.dtype == np.uint8
    assert masks.shape == (3, frames, 96, 128) and masks.dtype == bool
    assert masks.sum(0).max() == 1
    assert masks.any((2, 3)).all()


@pytest.mark.parametrize("actor", ACTORS)
def test_the_mask_is_where_the_puppet_changes_the_picture(
    actor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acga_lib.benchmark.drawing.renderer.OCCLUDER_CHANCE", -1.0)
    one = instance(actor, ACTIONS_OF[actor][0])
    frames, masks = render(scene(one, seed=4))
    empty, _ = render(scene(seed=4))
    for frame, bare, mask in zip(frames, empty, masks[0], strict=True):
        changed = np.abs(frame.astype(int) - bare).max(-1) > 12
        fringe = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        assert changed[mask].mean() > 0.95
        assert not (changed & ~fringe).any()


def test_the_nearer_instance_hides_the_farther_one() -> None:
    near, far = instance("ball", "none", depth=1.0), instance("ball", "none", depth=0.0, x=0.55)
    _, both = render(scene(near, far, seed=2))
    _, swapped = render(scene(replace(near, depth=0.0), replace(far, depth=1.0), seed=2))
    assert (both[0].sum((1, 2)) > both[1].sum((1, 2))).all()
    assert (swapped[0].sum((1, 2)) < swapped[1].sum((1, 2))).all()


def test_an_occluder_leaves_enough_of_every_instance() -> None:
    """Post or bush hide pixels in some scenes, but never more than 60 % of an instance."""
    occluded = 0
    for seed in range(24):
        actor = ACTORS[seed % 7]
        world = scene(instance(actor, ACTIONS_OF[actor][0], seed=seed), seed=seed, frames=3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("acga_lib.benchmark.drawing.renderer.OCCLUDER_CHANCE", -1.0)
            clear = render(world)[1].sum((2, 3))
        seen = render(world)[1].sum((2, 3))
        occluded += int((seen < clear).any())
        assert (seen >= 0.4 * clear).all()
    assert occluded >= 3


@pytest.mark.parametrize("color", COLORS)
def test_splits_share_no_exact_colour(color: str) -> None:
    pools = [set(variants(color, split)) for split in SPLITS]
    assert all(not first & second for first, second in combinations(pools, 2))
    assert min(map(len, pools)) >= 10


def test_splits_share_no_picture_and_no_trajectory() -> None:
    videos = [render(scene(TRIO[0], frames=2, split=split))[0] for split in SPLITS]
    paths = [poses(TRIO[0], frames=9, split=split) for split in SPLITS]
    for one, two in combinations(range(3), 2):
        assert not np.array_equal(videos[one], videos[two])
        assert paths[one] != paths[two]


@pytest.mark.parametrize("actor", ACTORS)
def test_the_middle_frame_is_the_same_whatever_the_action(actor: str) -> None:
    middles = []
    for action in ACTIONS_OF[actor]:
        video, masks = render(scene(instance(actor, action), frames=5, seed=4))
        middles.append((video[2], masks[0, 2]))
    for frame, mask in middles[1:]:
        assert np.array_equal(frame, middles[0][0]) and np.array_equal(mask, middles[0][1])


def angle_table(action: str, *, seeds: range, frame: int) -> np.ndarray:
    """Angles [seeds, 6] of an adult at one frame, wrapped to [0, 2π)."""
    tracks = [poses(instance("adult", action, seed=s), frames=9, split="train") for s in seeds]
    return np.array([[getattr(t[frame], name) for name in ANGLES] for t in tracks]) % (2 * np.pi)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_pose_is_equally_likely_in_every_action(action: str) -> None:
    """Kolmogorov–Smirnov distance from the uniform circle, away from the middle frame."""
    table = angle_table(action, seeds=range(1000, 1500), frame=0)
    rank = (np.arange(500) + 0.5) / 500
    for column in np.sort(table, axis=0).T:
        assert np.abs(column / (2 * np.pi) - rank).max() < 1.95 / np.sqrt(500)


def motion_vector(actor: str, action: str, seed: int) -> np.ndarray:
    """How fast each angle turns and how far the path leads per frame, each near 0..1."""
    track = poses(instance(actor, action, seed=seed), frames=16, split="train")
    table = np.array([[getattr(pose, name) for name in (*ANGLES, "dx", "dy")] for pose in track])
    return np.abs(np.diff(table, axis=0)).mean(0) * ([1.0] * 6 + [80.0] * 2)


@pytest.mark.parametrize("actor", ACTORS)
def test_the_change_between_frames_tells_the_action(actor: str) -> None:
    actions = ACTIONS_OF[actor]
    means = [np.mean([motion_vector(actor, a, s) for s in range(30)], axis=0) for a in actions]
    for truth, action in enumerate(actions):
        for seed in range(100, 120):
            distances = np.linalg.norm(motion_vector(actor, action, seed) - np.array(means), axis=1)
            assert distances.argmin() == truth
