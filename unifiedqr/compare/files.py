"""Files the comparison writes, whole or not at all, and its archive format: arrays and a JSON header, never pickled."""

import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.errors import InputError

HEADER = "header"


def check_readable(path: Path) -> None:
    """Raise `InputError` unless there is a file at `path` that has something in it and may be read."""
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
        raise InputError(f"{path} is empty: it has no bytes; was it written to its end?")


def check_outputs(*outputs: Path | None, inputs: Sequence[str | Path] = ()) -> None:
    """Raise `InputError` unless every output can be written, no two are the same, and none is an input.

    Asked before the work starts. ``None`` stands for an output that was not asked for.
    """
    taken = {os.path.realpath(path): "an input" for path in inputs}
    for path in filter(None, outputs):
        check_writable(path)
        place = os.path.realpath(path)
        if place in taken:
            raise InputError(f"{path} cannot be written: it is {taken[place]}; give each output a file of its own.")
        taken[place] = "another output too"


def check_writable(path: Path) -> None:
    """Raise `InputError` unless a file can be written at `path`; asked before the work starts, not after it."""
    folder = path.parent
    if os.path.isdir(path):
        raise InputError(f"{path} is a directory; name a file to write.")
    if not os.path.isdir(folder):
        raise InputError(f"{path} cannot be written: there is no directory {folder}.")
    try:
        path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    if not os.access(folder, os.W_OK) or (os.path.exists(path) and not os.access(path, os.W_OK)):
        raise InputError(f"{path} cannot be written: permission denied.")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, never meets half of it.

    A link keeps its place and its target is replaced. A device or a pipe, such as /dev/stdout, is written to.
    """
    check_writable(path)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        path = Path(os.path.realpath(path))
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".unifiedqr-", delete=False) as temporary:
            name = temporary.name
            try:
                temporary.write(content)
                temporary.close()
                os.chmod(name, 0o666 & ~_umask())
                os.replace(name, path)
            except BaseException:
                temporary.close()
                Path(name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def write_json(path: Path, told: dict[str, Any]) -> None:
    """Write a JSON file, which has no infinite or undefined numbers, whole or not at all."""
    write_whole(path, json.dumps(told, indent=1, allow_nan=False).encode() + b"\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_archive(path: Path, header: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write arrays and a JSON header as an .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{HEADER: np.array(json.dumps(header))}, **arrays)
    write_whole(path, buffer.getvalue())


def read_archive(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what `write_archive` wrote; raise `InputError` for anything else, or another `kind` of archive."""
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
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
        raise InputError(f"{path} is a {found!r} file; a {kind!r} file is needed.")
    return header, arrays
