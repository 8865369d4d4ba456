"""`python -m acga_lib segment VIDEO "sentence" --out overlay.mp4`: what is meant, marked."""

import argparse
import sys
import time

from acga_lib.config import HEADLINE_RUN
from acga_lib.files.paths import given_path
from acga_lib.files.terminal import run_command


def segment(given: argparse.Namespace) -> str:
    """Write the video that was asked for -> one line about it. Raises KitError."""
    from acga_lib.experiment.inference import find_run  # torch takes seconds; `--help` does without
    from acga_lib.experiment.pipeline import RUNS, default_device
    from acga_lib.report.overlay_video import write_overlay
    from acga_lib.segmenter import Segmenter

    start = time.perf_counter()
    segmenter = Segmenter.from_run(find_run(given.run, RUNS), device=default_device())
    out = given_path(given.out, "the video to write")
    masks = None if given.masks is None else given_path(given.masks, "the masks to write")
    frames = write_overlay(
        segmenter, given.video, given.sentence, out, every=given.every, masks=masks
    )
    unknown = segmenter.encode(given.sentence).unknown
    unseen = f"; without a vector, so not seen: {', '.join(unknown)}" if unknown else ""
    return f"done    {out}: {frames} frames in {time.perf_counter() - start:.0f} s{unseen}"


def main(arguments: list[str] | None = None) -> int:
    """Command line; prints one line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m acga_lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("segment", help="mark what a sentence means in a video")
    command.add_argument("video", help="a video file, or a folder of JPEG or PNG frames")
    command.add_argument("sentence", help="what to mark, in at most 20 words")
    run = "name of a run in results/runs, or its record (%(default)s)"
    command.add_argument("--run", default=HEADLINE_RUN, help=run)
    every = "segment the first and every N-th frame, hold the mask in between (%(default)s)"
    command.add_argument("--every", type=int, default=8, metavar="N", help=every)
    command.add_argument("--out", required=True, help="the video to write, an .mp4")
    command.add_argument("--masks", help="a folder to write the masks to, as PNG")
    given = parser.parse_args(arguments)
    return run_command("segment", lambda: segment(given))


if __name__ == "__main__":
    sys.exit(main())
