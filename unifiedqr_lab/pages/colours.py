"""Colours of numbers: two scales in a few levels, and black or white text on them, whichever is more legible.

"Viridis" is by S. van der Walt and N. Smith (2015), in the public domain; "RdBu" by C. A. Brewer, ColorBrewer 2.0.
"""

from collections.abc import Sequence

import numpy as np

from unifiedqr._typing import Array

VIRIDIS = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725".split()
DIVERGING = "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f".split()

LEVELS = 18
"""Of errors: a decade each, from 1e-17 to 1."""

FLOOR = -17
"""log10 of the smallest error that is distinguished; zero is drawn there."""


def scale(anchors: Sequence[str], count: int) -> Array:
    """Return this many colours, equally spaced between anchors, as integers (count, 3)."""
    places, known = np.linspace(0, len(anchors) - 1, count), np.arange(len(anchors))
    channels = ([int(text[i : i + 2], 16) for text in anchors] for i in (0, 2, 4))
    return np.round([np.interp(places, known, channel) for channel in channels]).astype(np.uint8).T


def level(error: float) -> int:
    """Return the level of an error: its decade."""
    decade = FLOOR if error <= 0 else int(np.floor(np.log10(min(error, 1.0)) + 1e-9))
    return max(0, min(decade - FLOOR, LEVELS - 1))


def style_of_levels() -> str:
    """Return the style sheet of the levels, class ``e0`` being the smallest error."""
    rules: list[str] = []
    for i, colour in enumerate(scale(VIRIDIS, LEVELS)):
        text = "#fff" if _contrast(colour, 1.0) > _contrast(colour, 0.0) else "#000"
        rules.append(f".e{i} {{ --level: #{bytes(colour).hex()}; --on-level: {text}; }}")
    return "\n".join(rules) + "\n"


def _contrast(colour: Array, other: float) -> float:
    """Return the contrast of a colour with a grey of some relative luminance (WCAG 2.2, 1.4.3)."""
    x = colour / 255.0
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return (max(luminance, other) + 0.05) / (min(luminance, other) + 0.05)
