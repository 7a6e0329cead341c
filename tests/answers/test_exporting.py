import zipfile
from io import BytesIO

import pytest

from explorer.answers import compressing, exporting
from explorer.answers.compressing import Compression
from explorer.networks import checkpoints

BUNDLED = "simple-cnn_fashion-mnist"


@pytest.fixture(scope="module")
def made():
    """The bundled network, and what is left of it without half of every layer; tested on 200 images."""
    point = checkpoints.load(BUNDLED)
    steps = compressing.compressed(point, Compression(share=0.5, limit=200), "cpu")
    return point, next(step for step in steps if step.merits is not None and step.merits.done == 200)


def test_what_is_left_is_kept_as_a_checkpoint_once(made, tmp_path):
    point, found = made
    path = exporting.kept(point, found, "half", tmp_path)
    half = checkpoints.load("half", tmp_path)
    assert path == tmp_path / "half.safetensors" and half.model.conv2.weight.shape == (16, 8, 3, 3)
    assert (half.card.parent.name, half.card.parent.plan) == (BUNDLED, "conv1:8,conv2:16")
    assert half.card.accuracy["test"].n == 10_000, "it is tested on all images, whatever the plan was tested on"
    for name, said in (
        ("half", "there is a network called 'half' already"),
        (BUNDLED, "comes with the app"),
        ("a/b", "a/b"),
    ):
        with pytest.raises(ValueError, match=said):
            exporting.kept(point, found, name, tmp_path)


def test_files_come_in_an_archive(made):
    with zipfile.ZipFile(BytesIO(exporting.zipped(*made, "half", ["torch"]))) as archive:
        assert archive.namelist() == ["half/network.pt", "half/network.py"]
