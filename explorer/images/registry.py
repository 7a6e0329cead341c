"""The data sets that the explorer knows: what their images are, and which official files hold them."""

from dataclasses import dataclass, replace

Shape = tuple[int, int, int]  # (C, H, W) of one image
SPLITS = ("train", "test")


@dataclass(frozen=True)
class DataFile:
    """One file of a dataset on disk: its path under the root, its size in bytes and its official MD5.

    A file of one's own data set has its SHA-256 instead.
    """

    path: str
    size: int
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Pairing:
    """How to make a split of pairs: draw so many images from the split of a dataset, and so many pairs from those."""

    images: int
    pairs: int
    of: int  # images of the whole split


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset of the registry, or one's own: what its images are, and which files hold it."""

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # (C, H, W)
    reader: str  # the class in torchvision.datasets; empty for a data set of one's own
    folder: str  # under the data root
    files: dict[str, tuple[DataFile, ...]]  # by split
    download_bytes: int
    pairing: dict[str, Pairing] | None = None  # by split, where an example is a pair of images

    @property
    def inputs(self) -> int:
        """How many images make an example: 2 where the dataset holds pairs, else 1."""
        return 2 if self.pairing else 1

    @property
    def examples(self) -> str:
        """What the dataset holds, in the plural: "images" or "pairs"."""
        return "pairs" if self.pairing else "images"

    @property
    def own(self) -> bool:
        """Whether it was imported from a folder of images."""
        return not self.reader


def _idx_files(folder: str, md5s: dict[str, str], train_images: int = 60_000) -> dict[str, tuple[DataFile, ...]]:
    """The four files of the MNIST format: 784 bytes an image after a header of 16, one a label after a header of 8."""

    def pair(prefix: str, images: int) -> tuple[DataFile, ...]:
        sizes = {f"{prefix}-images-idx3-ubyte": 16 + 784 * images, f"{prefix}-labels-idx1-ubyte": 8 + images}
        return tuple(DataFile(f"{folder}/raw/{file}", size, md5s[file]) for file, size in sizes.items())

    return {"train": pair("train", train_images), "test": pair("t10k", 10_000)}


FASHION_TEST_MD5 = {
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
_CIFAR10 = "cifar-10-batches-py"
_CIFAR10_NAMES = DataFile(f"{_CIFAR10}/batches.meta", 158, "5ff9c542aee3614f3951f8cda6e48888")

DATASETS: dict[str, DatasetInfo] = {
    "cifar10": DatasetInfo(
        name="cifar10",
        title="CIFAR-10",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        shape=(3, 32, 32),
        reader="CIFAR10",
        folder=_CIFAR10,
        files={
            "train": (
                DataFile(f"{_CIFAR10}/data_batch_1", 31_035_704, "c99cafc152244af753f735de768cd75f"),
                DataFile(f"{_CIFAR10}/data_batch_2", 31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
                DataFile(f"{_CIFAR10}/data_batch_3", 31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
                DataFile(f"{_CIFAR10}/data_batch_4", 31_035_696, "634d18415352ddfa80567beed471001a"),
                DataFile(f"{_CIFAR10}/data_batch_5", 31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
                _CIFAR10_NAMES,
            ),
            "test": (
                DataFile(f"{_CIFAR10}/test_batch", 31_035_526, "40351d587109b95175f43aff81a1287e"),
                _CIFAR10_NAMES,
            ),
        },
        download_bytes=170_498_071,
    ),
    "mnist": DatasetInfo(
        name="mnist",
        title="MNIST",
        classes=tuple("0123456789"),
        shape=(1, 28, 28),
        reader="MNIST",
        folder="MNIST",
        files=_idx_files(
            "MNIST",
            {
                "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
                "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
                "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
                "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
            },
        ),
        download_bytes=11_594_722,
    ),
    "fashion-mnist": DatasetInfo(
        name="fashion-mnist",
        title="Fashion-MNIST",
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        shape=(1, 28, 28),
        reader="FashionMNIST",
        folder="FashionMNIST",
        files=_idx_files(
            "FashionMNIST",
            {
                "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
                **FASHION_TEST_MD5,
            },
        ),
        download_bytes=30_878_645,
    ),
}

DATASETS["mnist-pairs"] = replace(
    DATASETS["mnist"],
    name="mnist-pairs",
    title="MNIST pairs",
    classes=("different", "same"),
    pairing={
        "train": Pairing(images=6_000, pairs=10_000, of=60_000),
        "test": Pairing(images=1_000, pairs=2_000, of=10_000),
    },
)

PAIRS_IMAGES = DataFile(  # the test images that the pairs are drawn from, as tensors
    "MNIST/pairs-test.safetensors",
    792_152,
    sha256="6e41253fba180ecea4791bd760cfadd57ff5a21e1c9cc57eb1aea52e640eae2d",
)

BUNDLED_FILES: dict[str, dict[str, tuple[DataFile, ...]]] = {
    "fashion-mnist": _idx_files(
        "FashionMNIST",
        {
            "train-images-idx3-ubyte": "56cb151f02f7a0ea897b87493b6c7586",
            "train-labels-idx1-ubyte": "6017ecad9bfe54bba7fcc9dc44bdedd4",
            **FASHION_TEST_MD5,
        },
        train_images=10_000,
    ),
    "mnist-pairs": {"test": (PAIRS_IMAGES,)},
}
