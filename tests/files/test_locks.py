"""A name is held by one at a time, in whichever thread or process, until its holder ends."""

import subprocess
import sys
import time

import pytest

from explorer.files.locks import held

HOLD = "import sys, time; from pathlib import Path; from explorer.files.locks import held\n"
HOLD += "with held(Path(sys.argv[1]), 'net'): print('held', flush=True); time.sleep(60)"


def test_a_name_is_held_by_one_at_a_time(tmp_path):
    with held(tmp_path, "net", "other"):
        with (
            pytest.raises(ValueError, match="'net' is being written by somebody else just now"),
            held(tmp_path, "net", wait=0),
        ):
            pass
        with held(tmp_path, "third", wait=0):
            pass
    with held(tmp_path, "net", wait=0):
        pass


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match="somebody else"), held(tmp_path, "net", wait=0):
        pass
    holder.kill()
    holder.wait()
    with held(tmp_path, "net", wait=1):
        pass


def test_who_waits_gets_it_once_it_is_free(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD.replace("60", "0.5"), str(tmp_path)], stdout=subprocess.PIPE)
    holder.stdout.readline()
    began = time.monotonic()
    with held(tmp_path, "net", wait=20):
        assert time.monotonic() - began < 20
    holder.wait()
