"""Files are written whole or not at all, and what is no plain file is written to, never replaced."""

import errno
import os
import subprocess
import sys

import pandas as pd
import pytest

from explorer.files import csv, whole

TABLE = pd.DataFrame({"k": [0, 1]})
TEXT = "k\n0\n1\n"
WRITE = (
    "import sys, pandas; from explorer.files import csv; csv.write_csv(pandas.DataFrame({'k': [0, 1]}), sys.argv[1])"
)


def write(path, **streams):
    return subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True, **streams)


@pytest.mark.parametrize("path", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_behind_a_redirection_is_added_to(tmp_path, path):
    everything = tmp_path / "all.csv"
    everything.write_text("before\n")
    with open(everything, "a") as output:
        csv.check_writable(path)
        write(path, stdout=output)
    assert everything.read_text() == "before\n" + TEXT


def test_a_link_to_standard_output_is_standard_output(tmp_path):
    (tmp_path / "out").symlink_to("/dev/stdout")
    everything = tmp_path / "all.csv"
    everything.write_text("before\n")
    with open(everything, "a") as output:
        write(tmp_path / "out", stdout=output)
    assert everything.read_text() == "before\n" + TEXT and (tmp_path / "out").is_symlink()


def test_another_open_file_is_written_to(tmp_path):
    with open(tmp_path / "all.csv", "w") as output:
        write(f"/dev/fd/{output.fileno()}", pass_fds=[output.fileno()])
    assert (tmp_path / "all.csv").read_text() == TEXT


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    csv.check_writable(pipe)
    csv.write_csv(TABLE, pipe)
    assert reader.communicate(timeout=20)[0] == TEXT and pipe.is_fifo()


def test_a_device_that_is_full_says_so():
    csv.check_writable("/dev/full")
    with pytest.raises(OSError) as raised:
        csv.write_csv(TABLE, "/dev/full")
    assert raised.value.errno == errno.ENOSPC


def test_a_link_to_a_file_stays_one_and_the_file_is_replaced(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    csv.write_csv(TABLE, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").read_text() == TEXT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "real.csv"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.csv"
    path.write_text("old")
    monkeypatch.setattr(whole.os, "fsync", full)
    with pytest.raises(OSError):
        csv.write_csv(TABLE, path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"] and path.read_text() == "old"


@pytest.mark.parametrize("place", ["folder", "folder/missing/a.csv", "file/a.csv"])
def test_a_place_that_cannot_be_written_is_found_out_before(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write .*; name a file in a folder you can write to"):
        csv.check_writable(tmp_path / place)
