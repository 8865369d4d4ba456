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
_TOP, _SAID = 78.0, 150.0  #: heights in the upper half: the picture's stream, the sentence's
_GATE, _QUERY, _KEY, _VALUE = 278.0, 346.0, 412.0, 478.0  #: heights in the lower half


def attention_picture(visual: Tensor, words: Tensor, *, lit: int | None = None) -> Diagram:
    """What Eq. 3–8 do with F_VC [1, hw, D_V] and F_T [1, N, D_T]; lit: an equation's number.

    Raises ValueError for another number.
    """
    if lit is not None and lit not in EQUATIONS:
        raise ValueError(f"Eq. {lit} is not in Figure 3: light one of {EQUATIONS}")
    cells, channels, count, features = *visual.shape[1:], *words.shape[1:]
    size = {"F_VC": f"{cells}×{channels}", "F_T": f"{count}×{features}",
            "F_TA": f"{cells}×{features}", "words": f"{cells}×{count}",
            "gate": f"1×{channels}", "cells": f"{cells}×{cells}"}  # fmt: skip
    parts = {**_word_attention(size, lit), **_context_attention(size, lit)}
    drawn = [dimmed(found, lit is not None and number != lit) for number, found in parts.items()]
    said = "Both attentions of Figure 3 with the shapes of these features"
    return document(
        980, 544, [*_frames(), *_inputs(size), *drawn],
        description=said + (f"; lit: Eq. {lit}" if lit else ""),
    )  # fmt: skip


def _frames() -> list[str]:
    """The two halves and their names."""
    halves = (
        (14, 178, LANGUAGE, "Word attention: vision guided language attention"),
        (208, 300, VISION, "Context attention: language guided vision attention"),
    )
    return [
        f'<rect x="14" y="{top}" width="952" height="{height}" rx="10" fill="none" '
        f'stroke="{color}" stroke-dasharray="5 4"/>'
        + text((30, top + 18), name, color=color, anchor="start", bold=True)
        for top, height, color, name in halves
    ] + [text((30, 527), "· inner products    × channel by channel", anchor="start", size=12)]


def _inputs(size: dict[str, str]) -> list[str]:
    """F_VC and F_T, at the left of both halves."""
    places = (("F_{VC}", "F_VC", _TOP, VISION), ("F_T", "F_T", _SAID, LANGUAGE),
              ("F_T", "F_T", _GATE, LANGUAGE), ("F_{VC}", "F_VC", _KEY, VISION))  # fmt: skip
    return [
        text((55, y - 8), name, size=16, color=color) + text((55, y + 10), size[key], size=11.5)
        for name, key, y, color in places
    ]


def _word_attention(size: dict[str, str], lit: int | None) -> dict[int, list[str]]:
    """Eq. 3 and 4."""
    return {
        3: [
            arrow([(88, _TOP), (150, _TOP)], color=VISION),
            box((200, _TOP), (96, 46), ["Linear", "Eq. 3"], color=LANGUAGE, lit=lit == 3),
            arrow([(249, _TOP), (346, _TOP)], color=VISION, over="F_{VC→T}", under=size["F_TA"]),
        ],
        4: [
            join((359, _TOP), "·", color=LANGUAGE, lit=lit == 4),
            arrow([(88, _SAID), (359, _SAID), (359, _TOP + 13)], color=LANGUAGE),
            arrow([(371, _TOP), (446, _TOP)], color=LANGUAGE, under=size["words"]),
            box((510, _TOP), (124, 46), ["softmax", "over words · Eq. 4"], color=LANGUAGE,
                lit=lit == 4),
            arrow([(573, _TOP), (696, _TOP)], color=LANGUAGE, over="shares", under=size["words"]),
            join((709, _TOP), "·", color=LANGUAGE, lit=lit == 4),
            arrow([(359, _SAID), (709, _SAID), (709, _TOP + 13)], color=LANGUAGE),
            arrow([(721, _TOP), (880, _TOP)], color=LANGUAGE, under=size["F_TA"]),
            text((912, _TOP), "F_{TA}", size=16, color=LANGUAGE),
        ],
    }  # fmt: skip


def _context_attention(size: dict[str, str], lit: int | None) -> dict[int, list[str]]:
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
