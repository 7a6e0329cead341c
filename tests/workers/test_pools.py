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
from explorer.workers import processes
from explorer.workers.cluster import Cluster, check_room
from explorer.workers.curves import curves
from explorer.workers.pools import pool_of
from explorer.workers.requests import Call

FASHION = "simple-cnn_fashion-mnist"
NO_RAY = "Ray is not installed: pip install -r explorer/requirements-ray.txt"


def kill(worker):
    os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["joblib", "ray"])
def test_a_killed_workers_units_run_again_and_give_the_same(tmp_path, engine):
    if engine == "ray":
        pytest.importorskip("ray", reason=NO_RAY)
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
    pytest.importorskip("ray", reason=NO_RAY)
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


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("ObjectStoreFullError", "object store and the disk behind it are full; look at fewer images with --limit"),
        ("OutOfDiskError", "object store and the disk behind it are full"),
        ("WorkerCrashedError", "a worker died 4 times on the same unit, as it does where memory runs out"),
        ("RaySystemError", "the cluster failed: "),
    ],
)
def test_what_a_cluster_runs_out_of_is_one_sentence(monkeypatch, failure, words):
    exceptions = pytest.importorskip("ray", reason=NO_RAY).exceptions

    def fails(*args):
        raise getattr(exceptions, failure)(*["it broke"] * (failure == "RaySystemError"))

    monkeypatch.setattr(Cluster, "_connect", fails)
    with pytest.raises(ValueError, match=words) as said:
        next(Cluster(2, None).run([None]))
    assert str(said.value).endswith("(what is finished is kept)") and "\n" not in str(said.value)


def test_a_unit_that_no_object_store_holds_is_refused_at_once():
    calls = [Call("{}", (np.zeros(size, np.uint8),)) for size in (10, 3_000_000)]
    nodes = [{"Alive": alive, "Resources": {"object_store_memory": size}} for alive, size in ((True, 3e6), (False, 1))]
    check_room(nodes, calls)
    nodes.append({"Alive": True, "Resources": {"object_store_memory": 2e6}})
    with pytest.raises(
        ValueError, match="a unit needs 3 MB in the object store of its machine, and the smallest has 2 MB"
    ):
        check_room(nodes, calls)


def dies(*args):
    os._exit(1)


@pytest.mark.slow
def test_a_unit_that_kills_its_workers_ends_the_run(monkeypatch):
    monkeypatch.setattr(processes, "_work", dies)
    with pytest.raises(ValueError, match=r"workers died 3 times on the same units.*choose fewer --jobs"):
        next(processes.Processes(2).run([Call("{}", ())]))
