"""Files the comparison writes, whole or not at all, and its archive format: arrays and a JSON header, never pickled."""

import errno
import io
import json
import os
import secrets
import stat
import zipfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.errors import InputError

HEADER = "header"


def check_readable(path: Path) -> None:
    """Raise `InputError` unless `path` is a readable file that is not empty."""
    if os.path.isdir(path):
        raise InputError(f"{path} is a directory; name a file.")
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if empty:
        raise InputError(f"{path} is empty: it has no bytes; was it written completely?")


def check_outputs(*outputs: Path | None, inputs: Sequence[str | Path] = ()) -> None:
    """Raise `InputError` unless every output can be written, no two are the same, and none is an input.

    This is checked before the work starts, not after it. ``None`` is an output that was not requested.
    """
    taken = {os.path.realpath(path): "an input" for path in inputs}
    for path in filter(None, outputs):
        place = os.path.realpath(path)
        if place in taken:
            raise InputError(f"{path} cannot be written: it is {taken[place]}; give each output a file of its own.")
        taken[place] = "another output too"
        with _beside(path) as temporary:
            if temporary is not None:
                temporary.touch()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half-written, even after a crash.

    A link keeps its place and its target is replaced. A device or a pipe, such as /dev/stdout, is written to.
    """
    with _beside(path) as temporary:
        if temporary is None:
            path.write_bytes(content)
        else:
            temporary.write_bytes(content)
            os.replace(temporary, os.path.realpath(path))


def write_json(path: Path, told: dict[str, Any]) -> None:
    """Write a JSON file, which has no infinite or undefined numbers, whole or not at all."""
    write_whole(path, json.dumps(told, indent=1, allow_nan=False).encode() + b"\n")


@contextmanager
def _beside(path: Path) -> Generator[Path | None]:
    """Return the path of a temporary file in the folder of `path`, or of what that links to; None for device or pipe.

    Whatever shows, before the block or in it, that `path` cannot be written is an `InputError`. No temporary file is
    left.
    """
    temporary = Path(os.path.realpath(path)).parent / f".unifiedqr-{secrets.token_hex(8)}"
    try:
        mode = _mode(path)
        if stat.S_ISDIR(mode):
            raise InputError(f"{path} is a directory; name a file to write.")
        yield temporary if stat.S_ISREG(mode) else None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _mode(path: Path) -> int:
    """Return the mode of what is at `path`, a regular file if nothing is there yet; raise `OSError` if none can be."""
    if not os.path.isdir(path.parent):
        raise InputError(f"{path} cannot be written: there is no directory {path.parent}.")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return stat.S_IFREG
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return mode


def write_archive(path: Path, header: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write arrays and a JSON header as an .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{HEADER: np.array(json.dumps(header))}, **arrays)
    write_whole(path, buffer.getvalue())


def read_archive(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what `write_archive` wrote; raise `InputError` for anything else, or another `kind` of archive."""
    check_readable(path)
    try:
        # NumPy would leave a damaged file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays.pop(HEADER)))
        found = header["format"]
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{path} is not a {kind} file, or is damaged ({type(error).__name__}: {error}).") from error
    if found != kind:
        raise InputError(f"{path} is a {found!r} file; expected a {kind!r} file.")
    return header, arrays
