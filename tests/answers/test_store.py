"""Results on disk: exactly what was saved or nothing, whatever happens to the files and whoever else is there."""

import json
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest
import safetensors.numpy

from explorer.answers.store import LIMIT, SetAsideError, Store
from explorer.files.places import results_root

IDENTITY = {"kind": "sweep", "weights": "ab", "order": [2, 0, 1], "seed": 0}
ARRAYS = {"predictions": np.arange(12, dtype=np.uint8).reshape(3, 4), "mean": np.array([0.1, -2.0])}


def anything(arrays):
    """A check that lets everything pass."""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def path(store):
    """The file of ARRAYS, saved."""
    store.save(IDENTITY, ARRAYS)
    (path,) = store.root.iterdir()
    return path


def assert_same(found, wanted=ARRAYS):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)


def test_the_folder_comes_from_the_environment_or_lies_in_the_project(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_RESULTS", str(tmp_path))
    assert Store().root == results_root() == tmp_path
    monkeypatch.delenv("EXPLORER_RESULTS")
    assert results_root().name == "results" and (results_root().parent / "explorer").is_dir()


def test_what_is_saved_is_found_by_the_same_identity_and_no_other(store):
    assert store.find(IDENTITY, anything) is None
    store.save(IDENTITY, ARRAYS)
    assert_same(Store(store.root).find(dict(reversed(IDENTITY.items())), anything))
    for change in ({"seed": 1}, {"order": [0, 1, 2]}, {"kind": "statistics"}, {"more": None}):
        assert store.find(IDENTITY | change, anything) is None


def test_arrays_need_not_lie_in_order(store):
    turned = {"maps": np.arange(6.0).reshape(2, 3).T}
    store.save(IDENTITY, turned)
    assert_same(store.find(IDENTITY, anything), turned)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def empty(path):
    path.write_bytes(b"")


def rubbish(path):
    path.write_bytes(b"\x80\x04 a pickle, say" * 50)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def somebody_elses(path):
    path.write_bytes(safetensors.numpy.save({"weight": np.ones(3)}))


def made_from_something_else(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'seed\\": 0', b'seed\\": 9'))
    assert path.read_bytes() != content


def deep_header(path):
    header = json.dumps({"__metadata__": {}}).encode()[:-1] + b"," + b"[" * 100_000
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def huge(path):
    os.truncate(path, 10**10)  # a sparse file: it takes no space


def folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (truncate, "is damaged"),
        (empty, "is damaged"),
        (rubbish, "is damaged"),
        (flip_a_bit, "is damaged"),
        (somebody_elses, "made from something else"),
        (made_from_something_else, "made from something else"),
        (deep_header, "is damaged"),
        (huge, "is larger than all results may be"),
        (folder, "cannot be read"),
    ],
)
def test_a_damaged_or_foreign_file_is_set_aside_with_a_sentence(store, path, spoil, words):
    spoil(path)
    with pytest.raises(SetAsideError, match=words) as refusal:
        store.find(IDENTITY, anything)
    assert path.name in str(refusal.value) and str(refusal.value).endswith("the file now ends in .bad.")
    assert path.with_name(path.name + ".bad").exists() and not path.exists()
    assert store.find(IDENTITY, anything) is None
    store.save(IDENTITY, ARRAYS)
    assert_same(store.find(IDENTITY, anything))


def test_arrays_that_the_caller_refuses_are_set_aside_too(store, path):
    def refuse(arrays):
        raise ValueError("holds a prediction outside the 2 classes")

    with pytest.raises(SetAsideError, match="outside the 2 classes"):
        store.find(IDENTITY, refuse)
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_a_file_that_cannot_be_renamed_is_not_trusted_either(store, path):
    truncate(path)
    store.root.chmod(0o500)
    with pytest.raises(SetAsideError, match="it stays there"):
        store.find(IDENTITY, anything)
    store.root.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_an_os_error_and_nothing_is_found_there(tmp_path):
    (tmp_path / "results").write_text("a file")
    store = Store(tmp_path / "results")
    with pytest.raises(OSError, match="exists"):
        store.save(IDENTITY, ARRAYS)
    with pytest.raises(SetAsideError, match="cannot be read .Not a directory"):
        store.find(IDENTITY, anything)
    assert (tmp_path / "results").read_text() == "a file"


def size_of_one(store):
    store.save(IDENTITY, ARRAYS)
    return next(store.root.iterdir()).stat().st_size


def used_at(store, seed, moment):
    """Save a result and set when it was last used."""
    before = set(store.root.iterdir())
    store.save(IDENTITY | {"seed": seed}, ARRAYS)
    (path,) = set(store.root.iterdir()) - before
    os.utime(path, (moment, moment))
    return path


def test_the_least_recently_used_goes_first_once_there_is_too_much(store, path):
    one = path.stat().st_size
    path.unlink()
    store = Store(store.root, limit=3 * one + 10)
    old, found, new = (used_at(store, seed, moment) for seed, moment in ((1, 100), (2, 50), (3, 200)))
    store.find(IDENTITY | {"seed": 2}, anything)  # used just now
    aside = path.with_name(path.name + ".bad")
    aside.write_bytes(b"x" * one)
    os.utime(aside, (60, 60))
    used_at(store, 4, 300)
    assert not aside.exists() and not old.exists() and found.exists() and new.exists()
    assert sum(each.stat().st_size for each in store.root.iterdir()) <= store.limit


def test_what_is_larger_than_the_limit_is_not_kept_and_drives_nothing_out(store, path):
    small = Store(store.root, limit=path.stat().st_size + 10)
    small.save(IDENTITY | {"seed": 1}, {"predictions": np.zeros((100, 100))})
    assert small.find(IDENTITY | {"seed": 1}, anything) is None and path.exists()


def test_files_that_are_not_the_stores_are_never_deleted_and_lost_parts_are(store, path):
    mine = [store.root / name for name in ("resnet18.safetensors", "notes.txt", "sweep-1.safetensors", "a.part")]
    for each in mine:
        each.write_bytes(b"x" * 10_000)
        os.utime(each, (1, 1))
    now = time.time()
    parts = [path.with_name(f"{path.name}.{letter * 32}.part") for letter in "ab"]
    for part, moment in zip(parts, (now - 10_000, now), strict=True):
        part.write_bytes(b"half")
        os.utime(part, (moment, moment))
    Store(store.root, limit=path.stat().st_size + 10).save(IDENTITY, ARRAYS)
    assert all(each.exists() for each in mine)
    assert [part.exists() for part in parts] == [False, True]


def test_a_save_that_fails_leaves_nothing_behind(store, path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(IDENTITY | {"seed": 1}, ARRAYS)
    assert list(store.root.iterdir()) == [path]


def big(number):
    return {"predictions": np.full((50, 2000), number, dtype=np.uint8)}


def busy(root, number, rounds):
    """Save, find and evict what others save, find and evict; every find is whole or nothing. For a process."""
    store = Store(root, limit=400_000)
    for step in range(rounds):
        identity = IDENTITY | {"seed": step % 5}
        store.save(identity, big(step % 5))
        found = store.find(identity, anything)
        assert found is None or np.array_equal(found["predictions"], big(step % 5)["predictions"])


@pytest.mark.slow
def test_threads_and_processes_share_a_folder(store):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=busy, args=(store.root, number, 60)) for number in range(2)]
    failures = []

    def thread():
        try:
            busy(store.root, 0, 60)
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=thread) for _ in range(3)]
    for each in [*processes, *threads]:
        each.start()
    for each in [*processes, *threads]:
        each.join(60)
    assert not failures and [process.exitcode for process in processes] == [0, 0]
    assert not list(store.root.glob("*.bad")) and not list(store.root.glob("*.part"))
    assert sum(each.stat().st_size for each in store.root.iterdir()) <= 400_000


def killed(root):
    """Die between writing and replacing, as a power cut would have it. For a process."""
    os.replace = lambda source, target: os.kill(os.getpid(), 9)
    Store(root).save(IDENTITY, ARRAYS)


def test_a_kill_in_the_middle_leaves_no_result_and_the_next_save_works(store):
    process = multiprocessing.get_context("spawn").Process(target=killed, args=(store.root,))
    process.start()
    process.join(60)
    assert process.exitcode == -9 and [each.suffix for each in store.root.iterdir()] == [".part"]
    assert store.find(IDENTITY, anything) is None
    store.save(IDENTITY, ARRAYS)
    assert_same(store.find(IDENTITY, anything))


def test_the_environment_says_how_much_results_may_take(monkeypatch, tmp_path):
    assert Store(tmp_path).limit == LIMIT
    monkeypatch.setenv("EXPLORER_RESULTS_MB", "6000")
    assert Store(tmp_path).limit == 6_000_000_000
    for nonsense in ("0", "-1", "6GB", "1.5"):
        monkeypatch.setenv("EXPLORER_RESULTS_MB", nonsense)
        with pytest.raises(ValueError, match=f"{nonsense} is not a number of megabytes, such as 500"):
            Store(tmp_path)
