"""Run records with invented scores."""

import json
from pathlib import Path

from acga_lib.config import run_config
from acga_lib.published import METRICS

#: Hu et al. belong to no ablation and read sentences as numbers.
LEVELS = {"hu": 0.2}
BASE = {"baseline": 0.30, "mrf": 0.35, "mrf_wbce": 0.38, "acga": 0.45, "gavrilyuk": 0.28}


def write_record(
    runs: Path, *, method: str, seed: int, shuffled: bool = False, profile: str = "toy"
) -> Path:
    """A record as `finish_run` writes it, with invented scores that depend on method and seed."""
    config = run_config(method=method, seed=seed, profile=profile, shuffle_queries=shuffled)
    level = (0.2 if shuffled else (BASE | LEVELS).get(method, 0.3)) + 0.01 * seed**2
    record = {
        "run_id": config.run_id,
        "config": config.describe(),
        "metrics": dict.fromkeys(METRICS, level) | {"coco_ap": level, "right_half": 0.5 + seed / 9},
        "breakdown": {
            "cue": {
                "place": {"mean_iou": level, "P@0.5": level, "samples": 4},
                "actor": {"mean_iou": level / 2, "P@0.5": level, "samples": 9},
            },
            "actor": {},
            "action": {},
        },
        "samples": {"train": 20, "test": 13},
        "seconds": 90.0,
        "environment": {"device": "cpu", "revision": "abc1234"},
    }
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
