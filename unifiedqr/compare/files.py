"""Files the comparison writes, whole or not at all, and its archive format: arrays and a JSON header, never pickled."""

import io
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.errors import InputError

HEADER = "header"


def check_writable(*paths: Path) -> None:
    """Raise `InputError` unless a file can be written at each path; asked before the work starts, not after it."""
    for i, path in enumerate(paths):
        if any(path.resolve() == other.resolve() for other in paths[:i]):
            raise InputError(f"{path} is to be written twice; name two files.")
        with _written(path, _beside(path)) as temporary:
            temporary.touch()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, never meets half of it."""
    with _written(path, temporary := _beside(path)):
        temporary.write_bytes(content)
        os.replace(temporary, path.resolve())


def _beside(path: Path) -> Path:
    """Return the path of a new file in the folder of another, or of what that links to."""
    return path.resolve().parent / f".unifiedqr-{secrets.token_hex(8)}"


@contextmanager
def _written(path: Path, temporary: Path) -> Generator[Path]:
    """Say of what goes wrong in the block that `path` cannot be written; leave no temporary file."""
    try:
        folder = path.resolve().parent
        if path.is_dir():
            raise InputError(f"{path} is a directory; name a file to write.")
        if not folder.is_dir():
            raise InputError(f"{path} cannot be written: there is no directory {folder}.")
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no regular file, and would be replaced by one; name a file to write.")
        if path.exists() and not os.access(path, os.W_OK):
            raise InputError(f"{path} cannot be written: permission denied.")
        yield temporary
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
        with np.load(path, allow_pickle=False) as archive:
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
