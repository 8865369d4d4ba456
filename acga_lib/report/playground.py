"""The playground: `python -m acga_lib.report.playground` writes `results/playground.html`.

One page that needs neither server nor network: some clips of the embedded benchmark with what the
frozen trunk and Mixed_4f say of them (F_V, Eq. 2), the trained weights of everything behind it, and
the word vectors. `playground_page/network.js` computes the rest of ACGA from them in the browser.
F_V and word vectors are kept in half precision: a smaller page, and no probability moves by 2e-3.
Everything in the page follows from a run's record; equal runs and data give an equal page.
"""

import argparse
import base64
import io
import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from acga_lib.clip import Letterbox
from acga_lib.config import HEADLINE_RUN, ROOT, run_config
from acga_lib.datasets import Sample
from acga_lib.errors import ConfigError
from acga_lib.experiment.limits import spread
from acga_lib.experiment.pipeline import RUNS, open_split
from acga_lib.files.records import Record, read_run
from acga_lib.files.storage import write_text
from acga_lib.files.terminal import run_command
from acga_lib.model import ACGA
from acga_lib.parameters import EMBEDDED
from acga_lib.published import TABLE_1
from acga_lib.segmenter import Segmenter
from acga_lib.text import MAX_WORDS, WORD_DIM, WordVectors

PAGE = ROOT / "results" / "playground.html"
#: The run whose weights the committed page holds.
RUN = RUNS / f"{HEADLINE_RUN}.json"
#: How many clips the page shows.
CLIPS = 12


def playground(run: Path) -> str:
    """The page on the run record `run` of the embedded benchmark, as HTML.

    The benchmark is drawn first where it is missing. Raises DataError or CheckpointError for a run
    that cannot be read, ConfigError for one of other data (which may not be handed on) or without
    attention.
    """
    record = read_run(run)
    if record["config"]["data"] != EMBEDDED:
        raise ConfigError(
            f"{run}: was measured on '{record['config']['data']}', whose footage may not be handed "
            "on; give a run of the embedded benchmark"
        )
    config = run_config(**record["config"]["run"])
    return page(Segmenter.from_run(run), record, chosen(open_split(config, "test"), CLIPS))


def chosen(samples: Sequence[Sample], count: int) -> list[list[Sample]]:
    """`count` videos evenly spread over `samples`, by their order alone: of each, the samples of
    the frame that has the most.
    """
    frames: dict[str, dict[int, list[Sample]]] = {}
    for sample in samples:
        frames.setdefault(sample.video_id, {}).setdefault(sample.frame, []).append(sample)
    videos = list(frames.values())
    return [max(videos[place].values(), key=len) for place in spread(len(videos), count)]


def page(segmenter: Segmenter, record: Record, frames: Sequence[Sequence[Sample]]) -> str:
    """The page on a trained network and the samples of some frames, as HTML.

    Raises ConfigError for a network that is not ACGA with attention.
    """
    model, vectors = segmenter.model, segmenter.vectors
    if not isinstance(model, ACGA) or model.attention is None:
        raise ConfigError(
            f"{record['run_id']}: the page computes ACGA with its attention and fusion; give a run "
            "of method 'acga'"
        )
    assert isinstance(vectors, WordVectors)  # what ACGA reads
    known = sorted(vectors.words)
    rows = np.stack([vectors.encode(word).vectors[0] for word in known])
    kit = {
        "about": _about(record),
        "run": {"id": record["run_id"], "weights": record["weights"]},
        "longest": MAX_WORDS, "width": WORD_DIM, "words": known,
        "vectors": _packed(rows.astype("<f2")),
        "weights": {
            name: _packed(value.numpy())
            for name, value in model.state_dict().items() if not name.startswith("visual_encoder.")
        },
        "clips": [_clip(segmenter, model, samples) for samples in frames],
    }  # fmt: skip
    folder = files("acga_lib.report") / "playground_page"
    text = (folder / "page.html").read_text(encoding="utf-8")
    style = '<link rel="stylesheet" href="page.css">'
    text = text.replace(style, f"<style>\n{(folder / 'page.css').read_text('utf-8')}</style>")
    for name in ("network.js", "words.js", "page.js"):
        script = (folder / name).read_text(encoding="utf-8")
        text = text.replace(f'<script src="{name}"></script>', f"<script>\n{script}</script>")
    data = json.dumps(kit, separators=(",", ":")).replace("<", "\\u003c")
    return text.replace('id="kit"></script>', f'id="kit">{data}</script>')


def _about(record: Record) -> str:
    run, score = record["config"]["run"], record["metrics"]["mean_iou"]
    return (
        f"Clips: drawn scenes of the kit's embedded benchmark, evenly spread over its "
        f"{record['samples']['test']} test sentences, not chosen by how well they come out. "
        f"Weights: run {record['run_id']}, {TABLE_1.title(run['method'])}, profile "
        f"{run['profile']}, seed {run['seed']}. On all test sentences this run reaches a mean IoU "
        f"of {100 * score:.0f} %."
    )


@torch.inference_mode()
def _clip(segmenter: Segmenter, model: ACGA, samples: Sequence[Sample]) -> dict[str, Any]:
    """A frame's clip as the page keeps it: pictures, F_V, true sentences and what they mean."""
    sample, (recipe, _) = samples[0], segmenter.extractors[0]
    seen = segmenter.clip(sample.video(), sample.frame)
    vision = model.visual_encoder(seen.features)[0].numpy()
    pictures = sample.clip(recipe.frames)
    box = Letterbox(height=sample.height, width=sample.width, side=recipe.side)
    rows, columns = box.content
    lengths = (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
    return {
        "video": sample.video_id, "height": sample.height, "width": sample.width,
        "frames": len(pictures), "middle": len(pictures) // 2, "jpeg": _strip(pictures),
        "box": [length / box.side for length in lengths],
        "shape": vision.shape, "vision": _packed(vision.astype("<f2")),
        "truths": {one.query: _bits(box.mask(one.mask())[rows, columns]) for one in samples},
    }  # fmt: skip


def _strip(frames: NDArray[np.uint8]) -> str:
    """Frames side by side as one JPEG in an address: uint8 [T, H, W, 3] -> "data:…"."""
    file = io.BytesIO()
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _bits(mask: NDArray[np.bool_]) -> str:
    """A mask for `bits` in `page.js`."""
    return base64.b64encode(np.packbits(mask).tobytes()).decode()


def _packed(values: NDArray[np.floating[Any]]) -> dict[str, str]:
    """Numbers for `unpack` in `words.js`, in half precision where that loses nothing."""
    half = values.astype("<f2")
    kept = half if (half == values).all() else values.astype("<f4")
    return {"type": kept.dtype.name, "base64": base64.b64encode(kept.tobytes()).decode()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; prints where it lies, or what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m acga_lib.report.playground")
    parser.add_argument(
        "--run", type=Path, default=RUN, metavar="RECORD", help=f"a run's record (default: {RUN})"
    )
    given = parser.parse_args(arguments)

    def work() -> str:
        write_text(PAGE, playground(given.run))
        return f"done    playground (results/{PAGE.name}, {PAGE.stat().st_size / 1e6:.1f} MB)"

    return run_command("playground", work)


if __name__ == "__main__":
    sys.exit(main())
