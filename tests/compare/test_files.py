"""Files that are written: whole or not at all, and never over something that was not meant."""

import os
import stat
from pathlib import Path

import pytest

from unifiedqr.errors import InputError
from unifiedqr_lab.files import check_outputs, write_whole


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    write_whole(path, b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"r.json cannot be written: No space left on device"):
        write_whole(tmp_path / "r.json", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(path, b"told")
        assert os.read(reader, 10) == b"told"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_is_written_to_and_stays_one(tmp_path):
    check_outputs(Path(os.devnull))
    write_whole(Path(os.devnull), b"told")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    (tmp_path / "link").symlink_to(os.devnull)
    check_outputs(tmp_path / "link")
    write_whole(tmp_path / "link", b"told")
    assert (tmp_path / "link").is_symlink()
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


OUTPUTS = {
    "a directory": (["."], [], "is a directory"),
    "no directory": (["no/r.json"], [], "there is no directory"),
    "below a file": (["m.csv/r.json"], [], "there is no directory"),
    "too long": (["r" * 300], [], "too long"),
    "an input": (["m.csv"], ["m.csv"], "it is an input"),
    "the same twice": (["r", "../{}/r"], [], "it is another output too"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs_that_cannot_be_written_are_refused_before_the_work(tmp_path, case):
    (tmp_path / "m.csv").write_text("1,2\n")
    outputs, inputs, message = OUTPUTS[case]
    outputs = [tmp_path / output.format(tmp_path.name) for output in outputs]
    with pytest.raises(InputError, match=message):
        check_outputs(*outputs, None, inputs=[tmp_path / name for name in inputs])
    assert list(tmp_path.iterdir()) == [tmp_path / "m.csv"]
