"""Real workers: processes of this machine through joblib, and a Ray cluster of two of them."""

import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from explorer.answers import door
from explorer.answers.experiment import Experiment
from explorer.answers.store import Store
from explorer.cli.main import main
from explorer.networks import checkpoints
from explorer.workers.cluster import Cluster
from explorer.workers.curves import curves
from explorer.workers.pools import pool_of

FASHION = "simple-cnn_fashion-mnist"


def kill(worker):
    os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["joblib", "ray"])
def test_a_killed_workers_units_run_again_and_give_the_same(tmp_path, engine):
    if engine == "ray":
        pytest.importorskip("ray", reason="Ray is not installed: pip install -r explorer/requirements-ray.txt")
    point, plan = checkpoints.load(FASHION), Experiment(FASHION, "conv2", "l1", limit=1250)
    pool, killed, found = pool_of(2, engine), False, []
    for step in curves([plan], {FASHION: point}, pool, store=Store(tmp_path / "units")):
        found.append(step)
        if pool.log and not killed:
            kill(pool.log[0].worker)
            killed = True
    *_, alone = door.curve(plan, point, store=Store(tmp_path / "alone"))
    assert killed and len(pool.log) == 5
    assert np.array_equal(found[-1][0].predictions, alone.predictions)
    assert found[-1][0].frame().equals(alone.frame())


def test_an_address_where_no_cluster_answers_is_one_sentence(capsys):
    pytest.importorskip("ray", reason="Ray is not installed: pip install -r explorer/requirements-ray.txt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    asked = ["sweep", FASHION, "--limit", "20", "--criterion", "l1", "--engine", "ray", "--address", address]
    assert main(asked) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith(f"error: no cluster answers at {address}")


@pytest.mark.parametrize("address", ["nowhere", "10.0.0.1", "10.0.0.1:", ":6379", "10.0.0.1:x"])
def test_an_address_that_is_none_says_what_one_looks_like(address):
    with pytest.raises(ValueError, match="is not HOST:PORT, such as 10.0.0.1:6379, or auto"):
        Cluster(2, address)._connect(None)


def test_ray_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="pip install -r explorer/requirements-ray.txt"):
        next(Cluster(2, None).run([None]))


def test_neither_engine_is_imported_unless_it_is_asked_for():
    code = "import sys, explorer.cli.main; print(sorted({'joblib', 'ray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["sweep", "scan", "sensitivity"])
def test_no_jobs_at_all_are_refused_before_any_work(command, capsys):
    assert main([command, FASHION, "--jobs", "0"]) == 2
    assert capsys.readouterr().err == "error: --jobs 0 is not at least 1, the number of workers\n"
