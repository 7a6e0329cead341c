"""Images to look at are those that networks look at, however they are read."""

import shutil

import numpy as np
import pytest

from explorer.images import datasets, pictures, reading

SOME = [3, 0, 9_999]


@pytest.mark.parametrize(("name", "split", "which"), [("fashion-mnist", "test", SOME), ("mnist-pairs", "test", [5, 1])])
def test_pictures_are_the_images_of_the_split(places, name, split, which):
    chosen = reading.load_split(name, split).take(which)
    found = pictures.pictures(name, split, which)
    assert len(found) == len(chosen.inputs)
    for one, other in zip(found, chosen.inputs, strict=True):
        assert one.dtype == np.uint8 and np.array_equal(one, other.numpy())


def test_pictures_of_colour_are_the_images_of_the_split(real_cifar10):
    (found,) = pictures.pictures("cifar10", "test", SOME)
    assert np.array_equal(found, real_cifar10.take(SOME).inputs[0].numpy())


def test_damaged_images_are_refused_as_networks_refuse_them(places):
    folder = places / "data" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for path in (datasets.BUNDLED / "FashionMNIST" / "raw").iterdir():
        shutil.copy(path, folder)
    pictures.check_whole("fashion-mnist", "test")
    images = folder / "t10k-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    pictures.forget()
    for read in (pictures.check_whole, reading.load_split):
        with pytest.raises(ValueError, match="t10k-images-idx3-ubyte is truncated"):
            read("fashion-mnist", "test")
