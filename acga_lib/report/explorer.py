"""The query explorer of notebook 09: choose a clip, type a sentence, see what the network answers.

Nothing but plain ipywidgets (7 or 8) and PNG pictures, so that it works alike in JupyterLab, on
Colab and as a page (voila). What is wrong with a sentence or a file is said in the page.
"""

import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from acga_lib.config import run_config
from acga_lib.datasets import Sample
from acga_lib.errors import CheckpointError, KitError, QueryError
from acga_lib.experiment.pipeline import RUNS
from acga_lib.files.footage import footage, showing
from acga_lib.files.storage import write_bytes
from acga_lib.methods import METHODS
from acga_lib.published import TABLE_1
from acga_lib.report.answer_panel import AnswerPanel, notice
from acga_lib.segmenter import SeenClip, Segmenter

#: What "Second method" says where there is none.
NONE = "none"


@dataclass(frozen=True, eq=False)
class Clip:
    """A video to choose."""

    name: str
    path: Path
    count: int  #: of frames
    frame: int  #: counted from 1, shown first
    sentences: tuple[str, ...] = ()  #: to pick from


def clips_of(samples: Iterable[Sample]) -> list[Clip]:
    """The videos of samples with their sentences, each at the middle one of its samples' frames."""
    videos: dict[str, list[Sample]] = {}
    for sample in samples:
        videos.setdefault(sample.video_id, []).append(sample)
    clips = []
    for name, its in videos.items():
        frames = sorted({sample.frame for sample in its})
        sentences = tuple(dict.fromkeys(sample.query for sample in its))
        frame = frames[len(frames) // 2]
        clips.append(Clip(name, its[0].video_path, its[0].frame_count, frame, sentences))
    return clips


def trained_runs(**parameters: Any) -> dict[str, Path]:
    """The runs whose weights are here, ACGA's first: what Table 1 calls the method -> the record.

    parameters: of `run_config`, without the method. Raises CheckpointError where there is none.
    """
    paths = {
        TABLE_1.title(name): RUNS / f"{run_config(method=name, **parameters).run_id}.json"
        for name in sorted(METHODS, key=lambda name: name != "acga")
    }
    here = {
        title: path for title, path in paths.items() if path.with_suffix(".safetensors").exists()
    }
    if not here:
        raise CheckpointError(
            f"{RUNS}: no weights of {next(iter(paths.values())).stem} nor of another method under "
            "these parameters: train one with notebook 04_train"
        )
    return here


class Explorer:
    """Widgets and what they do; `page` shows them all.

    runs: what the method is called -> its run record. clips: those to choose from. The first of
    either is shown first.
    """

    def __init__(self, runs: Mapping[str, Path], clips: Sequence[Clip]) -> None:
        self._runs = runs
        self._segmenters: dict[str, Segmenter] = {}
        self._seen: dict[str, SeenClip] = {}  # by method, of the frame that is shown
        self._at: tuple[Clip, int] | None = None
        self._changing = False
        self._make_widgets(clips)
        self._connect()
        self._choose_clip()

    @cached_property
    def _uploads(self) -> tempfile.TemporaryDirectory[str]:
        """Where uploaded videos lie until the explorer is gone."""
        return tempfile.TemporaryDirectory(prefix="acga-explorer-")

    def _make_widgets(self, clips: Sequence[Clip]) -> None:
        methods = list(self._runs)
        self.clip = _choice("Clip", [(clip.name, clip) for clip in clips])
        self.frame = _slider("Frame", 1, 1, 1)
        self.sentence = _text("Sentence", "any sentence of up to 20 words, then Enter")
        self.pick = _choice("or pick one", [])
        self.method = _choice("Method", methods)
        self.threshold = widgets.FloatSlider(
            description="Threshold", min=0.05, max=0.95, step=0.05, value=0.5,
            continuous_update=False, **_wide(),
        )  # fmt: skip
        self.down, self.across = (
            _slider("Pixel, % down", 0, 100, 50),
            _slider("% across", 0, 100, 50),
        )
        self.other_sentence = _text("Second sentence", "empty: the first one")
        self.other_method = _choice("Second method", [NONE, *methods])
        self.file = _text("Your video", "path of a file, or of a folder of frames")
        self.upload = widgets.FileUpload(description="or upload it", accept="video/*")
        self.message = widgets.HTML()
        self.left, self.right = AnswerPanel(), AnswerPanel()
        controls = widgets.VBox(
            [self.clip, self.frame, self.sentence, self.pick, self.method, self.threshold,
             self.down, self.across, self.other_sentence, self.other_method, self.file,
             self.upload, self.message],
            layout=widgets.Layout(flex="1 1 22rem", max_width="32rem", padding="0 1rem 0 0"),
        )  # fmt: skip
        self.page = widgets.Box(
            [controls, self.left.box, self.right.box],
            layout=widgets.Layout(flex_flow="row wrap", width="100%"),
        )

    def _connect(self) -> None:
        asked = (
            self.frame, self.sentence, self.method, self.other_sentence, self.other_method,
        )  # fmt: skip
        for widget, react in (
            (self.clip, self._choose_clip), (self.pick, self._take_sentence),
            *((widget, self._answer) for widget in asked),
            (self.threshold, self._draw_masks), (self.down, self._draw_contexts),
            (self.across, self._draw_contexts), (self.file, self._open_file),
            (self.upload, self._open_upload),
        ):  # fmt: skip
            widget.observe(lambda _, react=react: self._changing or react(), "value")

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """While several widgets are changed together; nothing reacts until it is over."""
        self._changing = True
        try:
            yield
        finally:
            self._changing = False

    def _choose_clip(self) -> None:
        clip = self.clip.value
        with self._at_once():
            self.frame.value = 1
            self.frame.max = clip.count
            self.frame.value = clip.frame
            self.pick.options = clip.sentences
            if clip.sentences:
                self.sentence.value = clip.sentences[0]
        self._answer()

    def _take_sentence(self) -> None:
        if self.pick.value is not None:
            self.sentence.value = self.pick.value

    def _open_file(self) -> None:
        if self.file.value:
            self._add_clip(self.file.value)

    def _open_upload(self) -> None:
        if self.upload.value:
            name, content = uploaded(self.upload.value)
            folder = Path(self._uploads.name) / str(len(self.clip.options))
            path = folder / (re.sub(r"[^\w.-]", "_", name).strip(".") or "video")
            try:
                write_bytes(path, content, "an uploaded video")
            except KitError as error:
                self.message.value = notice(str(error), wrong=True)
            else:
                self._add_clip(str(path))

    def _add_clip(self, video: str) -> None:
        """Choose a video, one more clip if it is none of them yet.

        Its middle frame is read first: what cannot be shown is not added.
        """
        try:
            shown = showing(video.strip().strip("\"'"))  # as file browsers copy a path
            middle = shown.count // 2 + 1
            footage(shown.path, middle, before=8, after=8)
        except KitError as error:
            self.message.value = notice(str(error), wrong=True)
            return
        there = next((clip for _, clip in self.clip.options if clip.path == shown.path), None)
        own = there or Clip(shown.path.name, shown.path, shown.count, middle)
        with self._at_once():
            if not there:
                self.clip.options = [*self.clip.options, (own.name, own)]
            self.clip.value = own
        self._choose_clip()

    def _answer(self) -> None:
        """Ask the networks, and show what they say."""
        start = time.perf_counter()
        method, sentence = self.method.value, self.sentence.value
        other = self.other_method.value, self.other_sentence.value.strip()
        asked = [(self.left, method, sentence)]
        if other != (NONE, ""):
            second = method if other[0] == NONE else other[0]
            asked.append((self.right, second, other[1] or sentence))
        self.left.hide()
        self.right.hide()
        try:
            for panel, name, query in asked:
                self._show(panel, name, query)
            self.message.value = notice(f"Answered in {time.perf_counter() - start:.2f} s.")
        except KitError as error:
            self.message.value = notice(str(error), wrong=True)

    def _show(self, panel: AnswerPanel, method: str, query: str) -> None:
        """Show what a method answers. Raises KitError where its run or the video is unreadable."""
        seen = self._see(method)
        try:
            panel.show(seen.segment(query), method)
            panel.draw_mask(self.threshold.value)
            panel.draw_context(self.down.value, self.across.value)
        except QueryError as error:
            panel.show_frame(seen.frame, str(error))

    def _see(self, method: str) -> SeenClip:
        """The frame as a method sees it: computed once, whatever is asked about it."""
        clip, frame = at = self.clip.value, self.frame.value
        if self._at != at:
            self._at, self._seen = at, {}
        if method not in self._segmenters:
            self._segmenters[method] = Segmenter.from_run(self._runs[method])
        if method not in self._seen:
            self._seen[method] = self._segmenters[method].clip(clip.path, frame)
        return self._seen[method]

    def _draw_masks(self) -> None:
        for panel in (self.left, self.right):
            panel.draw_mask(self.threshold.value)

    def _draw_contexts(self) -> None:
        for panel in (self.left, self.right):
            panel.draw_context(self.down.value, self.across.value)


def uploaded(value: Any) -> tuple[str, bytes]:
    """The name and content of the newest file of a `FileUpload`.

    value: a table by name in ipywidgets 7, a tuple of tables in 8.
    """
    if isinstance(value, Mapping):
        name, file = list(value.items())[-1]
    else:
        name, file = value[-1]["name"], value[-1]
    return name, bytes(file["content"])


def _slider(name: str, low: int, high: int, value: int) -> widgets.IntSlider:
    return widgets.IntSlider(
        description=name, min=low, max=high, value=value, continuous_update=False, **_wide()
    )


def _text(name: str, placeholder: str) -> widgets.Text:
    """A line that counts when Enter is pressed or it is left."""
    return widgets.Text(
        description=name, placeholder=placeholder, continuous_update=False, **_wide()
    )


def _choice(name: str, options: Sequence[Any]) -> widgets.Dropdown:
    return widgets.Dropdown(description=name, options=options, **_wide())


def _wide() -> dict[str, Any]:
    """The width of a widget and of its name; of each its own, since widgets share by reference."""
    return {"style": {"description_width": "8.5rem"}, "layout": widgets.Layout(width="98%")}
