"""Run records with invented scores."""

import json
from pathlib import Path
from typing import Any

from acga_lib.config import RunConfig, run_config
from acga_lib.published import METRICS

#: Hu et al. belong to no ablation and read sentences as numbers.
LEVELS = {"hu": 0.2}
BASE = {"baseline": 0.30, "mrf": 0.35, "mrf_wbce": 0.38, "acga": 0.45, "gavrilyuk": 0.28}


def invented(config: RunConfig, level: float) -> dict[str, Any]:
    """A record as `finish_run` writes it, with the score `level` wherever there is one."""
    scored = {"mean_iou": level, "P@0.5": level}
    return {
        "run_id": config.run_id,
        "config": config.describe(),
        "metrics": dict.fromkeys(METRICS, level),
        "breakdown": {
            "cue": {
                "place": scored | {"samples": 4},
                "actor": scored | {"mean_iou": level / 2, "samples": 9},
            },
            "actor": {},
            "action": {},
        },
        "limits": {
            part: {"right": level, "chance": 0.4, "iou_when_right": level, "samples": 13}
            for part in ("test", "train")
        },
        "samples": {"train": 20, "test": 13},
        "seconds": 90.0,
        "seconds_per_query": 0.1,
        "parameters": 1000,
        "data": {"train": "a hash", "test": "a hash"},
        "features": "a hash",
        "weights": "a hash",
        "environment": {"device": "cpu", "revision": "abc1234"},
    }


def write_record(
    runs: Path,
    *,
    method: str,
    seed: int,
    shuffled: bool = False,
    profile: str = "toy",
    variant: str = "",
) -> Path:
    """Write an `invented` record, whose scores depend on method and seed."""
    config = run_config(
        method=method, seed=seed, profile=profile, shuffle_queries=shuffled, variant=variant
    )
    level = (0.2 if shuffled else (BASE | LEVELS).get(method, 0.3)) + 0.01 * seed**2
    record = invented(config, level)
    record["metrics"] |= {"coco_ap": level, "right_half": 0.5 + seed / 9}
    path = runs / f"{config.run_id}.json"
    runs.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def changed(path: Path, keys: str, value: object) -> None:
    """Write another value into a record, at "config.run.seed" or the like."""
    record = part = json.loads(path.read_text())
    *groups, last = keys.split("/")
    for group in groups:
        part = part[group]
    part[last] = value
    path.write_text(json.dumps(record))
