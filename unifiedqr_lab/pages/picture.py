"""Small pictures of matrices: a pixel an entry, in an indexed PNG (ISO/IEC 15948) as a data URL."""

import base64
import zlib

import numpy as np

from unifiedqr._typing import Array


def data_url(levels: Array, palette: Array) -> str:
    """Return a picture of integers.

    Parameters
    ----------
    levels : numpy.ndarray, shape (h, w)
        Which colour each pixel has; the one after the last of the palette is transparent.
    palette : numpy.ndarray, shape (c, 3)
        The colours, at most 255.

    Returns
    -------
    str
    """
    height, width = levels.shape
    colours = np.concatenate([palette, np.zeros((1, 3), dtype=np.uint8)]).astype(np.uint8)
    opaque = b"\xff" * len(palette) + b"\x00"
    header = width.to_bytes(4) + height.to_bytes(4) + bytes((8, 3, 0, 0, 0))  # 8 bits an index, no interlacing
    rows = np.pad(levels.astype(np.uint8), ((0, 0), (1, 0)))  # each begins with its filter, which is none
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours.tobytes()),
        (b"tRNS", opaque),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    whole = b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in chunks
    )
    return f"data:image/png;base64,{base64.b64encode(whole).decode()}"
