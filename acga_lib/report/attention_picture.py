"""Figure 3 of the paper: both attentions, equation by equation, with true shapes."""

from torch import Tensor

from acga_lib.report.svg import (
    LANGUAGE,
    VISION,
    Diagram,
    arrow,
    box,
    dimmed,
    document,
    join,
    text,
)

EQUATIONS = (3, 4, 5, 6, 7, 8)  #: what `attention_picture` can light
_CELLS, _WORDS = 76.0, 146.0  #: heights of the word attention's two streams
_GATE, _QUERY, _KEY, _VALUE = 72.0, 140.0, 206.0, 272.0  #: heights in the context attention


def attention_picture(visual: Tensor, words: Tensor, *, lit: int) -> Diagram:
    """The attention of which Eq. `lit` is a part, for F_VC [1, hw, D_V] and F_T [1, N, D_T].

    Raises ValueError for an equation that is not one of Eq. 3–8.
    """
    if lit not in EQUATIONS:
        raise ValueError(f"Eq. {lit} is not in Figure 3: light one of {EQUATIONS}")
    cells, channels, count, features = *visual.shape[1:], *words.shape[1:]
    size = {"F_VC": f"{cells}×{channels}", "F_T": f"{count}×{features}",
            "F_TA": f"{cells}×{features}", "words": f"{cells}×{count}",
            "gate": f"1×{channels}", "cells": f"{cells}×{cells}"}  # fmt: skip
    if lit in (3, 4):
        name, color, height = "Word attention: vision guided language attention", LANGUAGE, 186
        parts, vision, language = _word_attention(size, lit), _CELLS, _WORDS
    else:
        name, color, height = "Context attention: language guided vision attention", VISION, 308
        parts, vision, language = _context_attention(size, lit), _KEY, _GATE
    given = (("F_{VC}", "F_VC", vision, VISION), ("F_T", "F_T", language, LANGUAGE))
    return document(
        980, height,
        [
            text((22, 20), name, color=color, anchor="start", bold=True),
            text((958, 20), "· inner products, × channel by channel", anchor="end", size=11.5),
            *(text((55, y - 8), title, size=16, color=ink) for title, _, y, ink in given),
            *(text((55, y + 10), size[key], size=11.5) for _, key, y, _ in given),
            *(dimmed(found, number != lit) for number, found in parts.items()),
        ],
        description=f"{name}, of Figure 3, with the shapes of these features; lit: Eq. {lit}",
    )  # fmt: skip


def _word_attention(size: dict[str, str], lit: int) -> dict[int, list[str]]:
    """Eq. 3 and 4."""
    return {
        3: [
            arrow([(88, _CELLS), (150, _CELLS)], color=VISION),
            box((200, _CELLS), (96, 46), ["Linear", "Eq. 3"], color=LANGUAGE, lit=lit == 3),
            arrow([(249, _CELLS), (346, _CELLS)], color=VISION, over="F_{VC→T}",
                  under=size["F_TA"]),
        ],
        4: [
            join((359, _CELLS), "·", color=LANGUAGE, lit=lit == 4),
            arrow([(88, _WORDS), (359, _WORDS), (359, _CELLS + 13)], color=LANGUAGE),
            arrow([(371, _CELLS), (446, _CELLS)], color=LANGUAGE, under=size["words"]),
            box((510, _CELLS), (124, 46), ["softmax", "over words · Eq. 4"], color=LANGUAGE,
                lit=lit == 4),
            arrow([(573, _CELLS), (696, _CELLS)], color=LANGUAGE, over="shares",
                  under=size["words"]),
            join((709, _CELLS), "·", color=LANGUAGE, lit=lit == 4),
            arrow([(359, _WORDS), (709, _WORDS), (709, _CELLS + 13)], color=LANGUAGE),
            arrow([(721, _CELLS), (880, _CELLS)], color=LANGUAGE, under=size["F_TA"]),
            text((912, _CELLS), "F_{TA}", size=16, color=LANGUAGE),
        ],
    }  # fmt: skip


def _context_attention(size: dict[str, str], lit: int) -> dict[int, list[str]]:
    """Eq. 5 to 8."""
    roles = (("Query", _QUERY), ("Key", _KEY), ("Value", _VALUE))
    return {
        5: [
            arrow([(88, _GATE), (150, _GATE)], color=LANGUAGE),
            box((230, _GATE), (156, 40), ["Max, Linear, Repeat", "Eq. 5"], color=LANGUAGE,
                lit=lit == 5),
            arrow([(309, _GATE), (420, _GATE)], color=LANGUAGE, over="gate", under=size["gate"],
                  head=False),
        ],
        6: [
            *(arrow([(88, _KEY), (176, y)], color=VISION, curved=True) for _, y in roles),
            *(box((230, y), (106, 42), [f"{name}: Linear", "Eq. 6"], color=VISION, lit=lit == 6)
              for name, y in roles),
        ],
        7: [
            arrow([(284, _QUERY), (407, _QUERY)], color=VISION, under=size["F_VC"]),
            arrow([(284, _KEY), (407, _KEY)], color=VISION, under=size["F_VC"]),
            arrow([(420, _GATE), (420, _QUERY - 13)], color=LANGUAGE),
            arrow([(420, _QUERY + 11), (420, _KEY - 13)], color=LANGUAGE),
            *(join((420, y), "×", color=VISION, lit=lit == 7) for y in (_QUERY, _KEY)),
            text((438, _KEY + 18), "Eq. 7", anchor="start", size=12),
        ],
        8: [
            arrow([(432, _QUERY), (520, _QUERY)], color=VISION),
            arrow([(432, _KEY), (533, _KEY), (533, _QUERY + 13)], color=VISION),
            join((533, _QUERY), "·", color=VISION, lit=lit == 8),
            arrow([(545, _QUERY), (614, _QUERY)], color=VISION, under=size["cells"]),
            box((676, _QUERY), (120, 46), ["softmax", "over cells · Eq. 8"], color=VISION,
                lit=lit == 8),
            arrow([(737, _QUERY), (816, _QUERY)], color=VISION, over="shares",
                  under=size["cells"]),
            join((829, _QUERY), "·", color=VISION, lit=lit == 8),
            arrow([(284, _VALUE), (829, _VALUE), (829, _QUERY + 13)], color=VISION),
            arrow([(841, _QUERY), (888, _QUERY)], color=VISION),
            text((920, _QUERY - 8), "F_{VA}", size=16, color=VISION),
            text((920, _QUERY + 10), size["F_VC"], size=11.5),
        ],
    }  # fmt: skip
