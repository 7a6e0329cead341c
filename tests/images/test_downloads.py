"""Archives come over lines that break: what arrived is kept, and nothing is ever half there."""

import errno
import threading

import pytest
from archives import write_all

from explorer.files.staging import staging
from explorer.images import downloads, reading
from explorer.images.registry import DATASETS

ARCHIVE, FOLDER = "cifar-10-python.tar.gz", "cifar-10-batches-py"
LAST = "t10k-labels-idx1-ubyte.gz"  # of MNIST's archives


def starts(web) -> list[int]:
    """From which byte each request was."""
    return [start for _, start in web.asked]


def there(root) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_download(name, request, tmp_path):
    files, _ = request.getfixturevalue(name)
    seen = []
    folder = downloads.download(name, tmp_path / "new", lambda done, total: seen.append((done, total)))
    assert folder == tmp_path / "new" / DATASETS[name].folder
    assert list((tmp_path / "new").iterdir()) == [folder]
    assert set(there(tmp_path / "new")) == set(files)
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] == DATASETS[name].download_bytes
    assert len(reading.load_split(name, "train", tmp_path / "new")) == (2 if name == "mnist" else 10)


def test_download_keeps_a_good_copy(mnist, tmp_path):
    files, web = mnist
    write_all(tmp_path, files)
    downloads.download("mnist", tmp_path)
    assert web.asked == []


def test_download_replaces_a_corrupt_copy(mnist, tmp_path):
    files, _ = mnist
    write_all(tmp_path, files)
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte").write_bytes(b"junk")
    downloads.download("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "MNIST"]
    assert reading.load_split("mnist", "test", tmp_path).labels.tolist() == [7, 3]


# A connection that is lost


def test_a_lost_connection_goes_on_where_it_was_as_often_as_more_comes(cifar10, tmp_path):
    files, web = cifar10
    web.cuts = [1000, 500, 1, 2000]  # more than there are pauses
    seen = []
    downloads.download("cifar10", tmp_path, lambda done, total: seen.append(done))
    assert starts(web) == [0, 1000, 1500, 1501, 3501]
    assert seen == sorted(seen) and there(tmp_path) == files


def test_a_server_that_knows_no_ranges_begins_again(cifar10, tmp_path):
    files, web = cifar10
    web.ranges, web.cuts = False, [1000]
    downloads.download("cifar10", tmp_path)
    assert starts(web) == [0, 1000] and there(tmp_path) == files


def test_a_reply_that_goes_on_elsewhere_is_not_taken(cifar10, tmp_path):
    files, web = cifar10
    web.shift, web.cuts = 7, [1000]
    downloads.download("cifar10", tmp_path)
    assert starts(web) == [0, 1000, 0] and there(tmp_path) == files


def test_the_next_mirror_goes_on_where_the_first_was_lost(mnist, tmp_path):
    files, web = mnist
    web.cuts = [100, 0, 0]  # and no more at either of the two further tries
    downloads.download("mnist", tmp_path)
    assert [(path.split("/")[1], start) for path, start in web.asked[:4]] == [
        *(("first", 0), ("first", 100), ("first", 100)),
        ("second", 100),
    ]
    assert there(tmp_path) == files


@pytest.mark.parametrize(("code", "tries"), [(404, 1), (503, 3), (429, 3)])
def test_the_next_mirror_is_asked_at_once_where_another_try_would_not_help(mnist, tmp_path, code, tries):
    files, web = mnist
    web.broken["/first"] = code
    downloads.download("mnist", tmp_path)
    assert len(web.asked) == 4 * (tries + 1) and there(tmp_path) == files


# What an earlier attempt left


def test_the_next_attempt_goes_on_with_what_arrived(mnist, tmp_path, monkeypatch):
    files, web = mnist
    with pytest.raises(KeyboardInterrupt):
        downloads.download("mnist", tmp_path, stop_at(sum(map(len, web.pages.values()))))
    assert {path.name for path in tmp_path.iterdir()} == {"MNIST.part"}
    web.asked.clear()
    whole = tmp_path / "MNIST.part" / LAST
    whole.write_bytes(web.pages[LAST][:20])
    downloads.download("mnist", tmp_path)
    assert web.asked == [(f"/first/{LAST}", 20)] and there(tmp_path) == files


def stop_at(bytes_done):
    def progress(done, total):
        if done >= bytes_done:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (b"junk", [4, 0]),  # which its MD5 shows in the end
        (b"junk" * 100_000, [400_000, 0]),  # longer than the archive
    ],
)
def test_what_was_left_damaged_is_begun_anew(cifar10, tmp_path, left, expected):
    files, web = cifar10
    write_all(tmp_path, {f"{FOLDER}.part/{ARCHIVE}": left})
    downloads.download("cifar10", tmp_path)
    assert starts(web) == expected and there(tmp_path) == files


def test_two_downloads_at_once_do_not_disturb_each_other(cifar10, tmp_path):
    files, web = cifar10
    threads = [threading.Thread(target=downloads.download, args=("cifar10", tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert starts(web) == [0] and there(tmp_path) == files


def test_nothing_is_touched_while_another_process_downloads(cifar10, tmp_path):
    _, web = cifar10
    with staging(tmp_path, FOLDER), pytest.raises(ValueError, match=f"'{FOLDER}' is being written by somebody else"):
        downloads.download("cifar10", tmp_path)
    assert web.asked == []


# What fails


def break_off(web):
    web.cuts = [20, *[0] * 100]


def refuse(web):
    web.broken["/"] = 403


def falsify(web):
    web.pages["t10k-images-idx3-ubyte.gz"] = b"a login page"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (break_off, r"was cut off after 20 of [\d,]+ bytes"),
        (refuse, r"\(http.*train-images-idx3-ubyte.gz: HTTP Error 403: Forbidden\)"),
        (falsify, "does not have its official MD5"),
    ],
)
@pytest.mark.parametrize("corrupt_copy_there", [False, True])
def test_failed_download_leaves_everything_as_it_was(mnist, tmp_path, trouble, words, corrupt_copy_there):
    files, web = mnist
    trouble(web)
    if corrupt_copy_there:
        write_all(tmp_path, files | {"MNIST/raw/t10k-labels-idx1-ubyte": b"junk"})
    before = there(tmp_path)
    with pytest.raises(
        ValueError, match=f"download of MNIST failed .*{words}.*try again, or put the official files in .*raw"
    ):
        downloads.download("mnist", tmp_path)
    assert {path: content for path, content in there(tmp_path).items() if ".part/" not in path} == before


def test_without_a_network_nothing_is_left(cifar10, tmp_path):
    _, web = cifar10
    web.shutdown()
    web.server_close()
    with pytest.raises(ValueError, match=r"failed \(http.*Connection refused\); try again"):
        downloads.download("cifar10", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_false_bytes_are_asked_for_once(cifar10, tmp_path):
    _, web = cifar10
    web.pages[ARCHIVE] = b"a login page"
    with pytest.raises(ValueError, match="official MD5"):
        downloads.download("cifar10", tmp_path)
    assert starts(web) == [0]


def test_a_full_disk_is_no_lost_connection(cifar10, tmp_path, monkeypatch):
    def full(path, mode):
        raise OSError(errno.ENOSPC, "No space left on device")

    _, web = cifar10
    monkeypatch.setattr(downloads, "open", full, raising=False)
    with pytest.raises(OSError, match="No space left on device"):
        downloads.download("cifar10", tmp_path)
    assert starts(web) == [0]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, OSError])
def test_progress_can_cancel_a_download(mnist, tmp_path, stop):
    def progress(done, total):
        raise stop("enough")

    with pytest.raises(stop, match="enough"):
        downloads.download("mnist", tmp_path, progress)
    assert list(tmp_path.iterdir()) == []


def test_progress_can_cancel_the_wait_for_a_lost_connection(cifar10, tmp_path, monkeypatch):
    _, web = cifar10
    web.cuts = [1000]
    monkeypatch.setattr(downloads, "PAUSES", (3600.0,))
    seen = []

    def progress(done, total):
        seen.append(done)
        if seen.count(1000) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloads.download("cifar10", tmp_path, progress)
    assert starts(web) == [0] and {path.name for path in tmp_path.iterdir()} == {f"{FOLDER}.part"}
