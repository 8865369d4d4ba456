"""One answer of a network as widgets: its mask, response and attention, as PNG pictures."""

import base64
import html

import cv2
import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from acga_lib.clip import threshold
from acga_lib.report.figures import heat_map, overlays
from acga_lib.segmenter import Segmentation

#: Pixels of the longer side of a picture, and of a word's map, at most: more only cost time.
LARGE, SMALL = 640, 200
NO_ATTENTION = "This method has no attention that could be shown."


def notice(text: str, *, wrong: bool = False) -> str:
    """A message as HTML, "" for none; programs that read pages aloud announce it."""
    if not text:
        return ""
    role, color = ("alert", "#b3261e") if wrong else ("status", "inherit")
    return f'<span role="{role}" style="color:{color}">{html.escape(text, quote=False)}</span>'


def png(image: NDArray[np.uint8]) -> bytes:
    """uint8 [H, W, 3] RGB -> the bytes of a PNG file."""
    return cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


def fitted(image: NDArray, longest: int) -> NDArray:
    """A frame or a map, [H, W] or [H, W, 3], scaled down to at most `longest` pixels a side."""
    height, width = image.shape[:2]
    scale = min(longest / max(height, width), 1)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


class Picture:
    """An image under its caption; `box` shows both."""

    def __init__(self) -> None:
        self.caption = widgets.HTML()
        self.image = widgets.Image(format="png", layout=widgets.Layout(width="100%"))
        self.box = widgets.VBox([self.caption, self.image])

    def draw(self, image: NDArray[np.uint8], caption: str) -> None:
        """Show an image, uint8 [H, W, 3]."""
        self.image.value, self.caption.value = png(image), html.escape(caption)
        self.box.layout.display = ""

    def hide(self) -> None:
        """Show nothing."""
        self.box.layout.display = "none"


class AnswerPanel:
    """The pictures of one answer under each other; `box` shows them."""

    def __init__(self) -> None:
        self.title, self.note, self.words = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.mask, self.response, self.context = Picture(), Picture(), Picture()
        pictures = [one.box for one in (self.mask, self.response, self.context)]
        self.box = widgets.VBox(
            [self.title, self.note, *pictures, self.words],
            layout=widgets.Layout(flex="1 1 18rem", max_width="40rem", padding="0 1rem 0 0"),
        )
        self.answer: Segmentation | None = None

    def show(self, answer: Segmentation, method: str) -> None:
        """Show what a method answers; `draw_mask` and `draw_context` complete it."""
        self.answer = answer
        self.title.value = f"<b>{html.escape(method)}</b>: {html.escape(answer.query)}"
        unseen = ", ".join(answer.unknown)
        self.note.value = notice(unseen and f"Unknown, so not seen: {unseen}", wrong=True)
        frame, response = fitted(answer.frame, LARGE), fitted(answer.response, LARGE)
        low, high = answer.response.min(), answer.response.max()
        self.response.draw(heat_map(frame, response), f"Response, from {low:.2f} to {high:.2f}")
        self.words.value = _word_maps(answer)
        self.box.layout.display = ""

    def show_frame(self, frame: NDArray[np.uint8], why: str) -> None:
        """Show a frame without an answer, and why there is none."""
        self.box.layout.display = ""
        self.answer, self.title.value, self.words.value = None, "", ""
        self.note.value = notice(why, wrong=True)
        self.mask.draw(fitted(frame, LARGE), "The frame, without an answer")
        self.response.hide()
        self.context.hide()

    def hide(self) -> None:
        """Show nothing."""
        self.answer, self.box.layout.display = None, "none"

    def draw_mask(self, share: float) -> None:
        """Draw the mask of the pixels whose response exceeds `share` of the highest one."""
        if self.answer is None:
            return
        mask = threshold(self.answer.response, share)
        small = fitted(mask.astype(np.uint8), LARGE) > 0
        image = overlays(fitted(self.answer.frame, LARGE), [small])
        self.mask.draw(image, f"Mask, {mask.mean():.1%} of the frame")

    def draw_context(self, down: int, across: int) -> None:
        """Draw what a pixel attends to, which lies so many percent down and across the frame."""
        if self.answer is None:
            return
        frame = fitted(self.answer.frame, LARGE)
        height, width = self.answer.frame.shape[:2]
        row, column = down * (height - 1) // 100, across * (width - 1) // 100
        gathered = self.answer.context_of(row, column)
        if gathered is None:
            self.context.hide()
            return
        image = heat_map(frame, fitted(gathered, LARGE))
        _cross(image, down * (len(frame) - 1) // 100, across * (frame.shape[1] - 1) // 100)
        told = f"up to {gathered.max():.0%} from one cell of the grid"
        self.context.draw(image, f"Context of the pixel at the cross (Eq. 8): {told}")


def _cross(image: NDArray[np.uint8], row: int, column: int) -> None:
    """Mark a pixel, white in black."""
    arm = max(image.shape[1] // 30, 3)
    for color, wide in ((0, 2), (255, 1)):
        for half, other in ((arm, wide - 1), (wide - 1, arm)):
            rows = slice(max(row - half, 0), row + half + 1)
            image[rows, max(column - other, 0) : column + other + 1] = color


def _word_maps(answer: Segmentation) -> str:
    """A small map for each word (Eq. 4), with the share of its attention, as HTML."""
    if answer.word_attention is None:
        return notice(NO_ATTENTION)
    frame, figures = fitted(answer.frame, SMALL), []
    for token, attention in zip(answer.tokens, answer.word_attention, strict=True):
        coded = base64.b64encode(png(heat_map(frame, fitted(attention, SMALL)))).decode()
        word = html.escape(token)
        figures.append(
            f'<figure style="margin:0;flex:0 1 7rem"><img alt="attention to {word}" '
            f'src="data:image/png;base64,{coded}" style="width:100%"><figcaption '
            f'style="line-height:1.3"><b>{word}</b> {attention.mean():.0%}</figcaption></figure>'
        )
    rest = 1 - answer.word_attention.sum(axis=0).mean()
    return (
        f"Attention to each word (Eq. 4), on average over the frame; {rest:.0%} go to the padding "
        "after the sentence. Each map is stretched from its lowest to its highest value."
        f'<div style="display:flex;flex-wrap:wrap;gap:.5rem">{"".join(figures)}</div>'
    )
