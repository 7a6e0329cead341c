"""The short forms of the fault scripts; the long ones are run by hand (see each script's first line)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import user_files

from explorer.files.places import PROJECT

FAULTS = Path(__file__).parent


def run(script: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, FAULTS / script, *arguments], capture_output=True, text=True, timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_damaged_files_are_refused_in_a_sentence_each():
    said = run("corpus.py", "--flips", "10")
    assert said.count("files") == 10 and "memory:" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["sweep and CSV", "band", "import of images", "training by queue", "compression with fine-tuning"]
)
def test_what_is_killed_leaves_nothing_half_written_and_loses_nothing(name):
    assert "lost: 0" in run("kills.py", name, "--rounds", "3")


def both(*commands: list[str], **environment: str) -> list[tuple[int, str]]:
    """Exit codes and words of commands that are run at once, as two servers on one folder would."""
    env = os.environ | environment
    running = [
        subprocess.Popen(each, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT)
        for each in commands
    ]
    said = [process.communicate(timeout=300)[0] for process in running]
    return [(process.returncode, words) for process, words in zip(running, said, strict=True)]


def explorer(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "explorer", *arguments]


def test_two_servers_that_sweep_at_once_keep_one_whole_result(tmp_path):
    ask = ["sweep", "simple-cnn_fashion-mnist", "--criterion", "l1", "--limit", "500", "--csv"]
    places = [str(tmp_path / f"{i}.csv") for i in range(3)]
    ended = both(*(explorer(*ask, place) for place in places[:2]), EXPLORER_RESULTS=str(tmp_path / "kept"))
    assert [code for code, _ in ended] == [0, 0], ended
    (kept,) = (tmp_path / "kept").iterdir()
    before = kept.read_bytes()
    assert both(explorer(*ask, places[2]), EXPLORER_RESULTS=str(tmp_path / "kept"))[0][0] == 0
    assert len({Path(place).read_bytes() for place in places}) == 1 and kept.read_bytes() == before


def test_two_servers_that_import_one_name_make_one_data_set(tmp_path):
    user_files.paint(tmp_path / "pets", each=100)
    ask = explorer("import-images", str(tmp_path / "pets"), "--name", "pets", "--size", "32")
    ended = both(ask, ask, EXPLORER_DATA=str(tmp_path / "data"))
    assert sorted(code for code, _ in ended) == [0, 2], ended
    refused = next(words for code, words in ended if code)
    assert refused.splitlines()[-1].startswith("error: ") and "Traceback" not in refused
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["pets"]
