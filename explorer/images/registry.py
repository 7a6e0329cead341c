"""The data sets that the explorer knows: what their images are, and which official files hold them."""

from dataclasses import dataclass, replace

Shape = tuple[int, int, int]  # (C, H, W) of one image
SPLITS = ("train", "test")


@dataclass(frozen=True)
class DataFile:
    """One file of a dataset on disk: its path under the root, its size in bytes and its official MD5.

    A size of 0 is not known: the MD5 alone says whether the file is whole. One's own data set has SHA-256s instead.
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
    download_bytes: int  # 0 where it is not downloaded here
    pairing: dict[str, Pairing] | None = None  # by split, where an example is a pair of images
    transform: str = ""  # of one's own: what was done to each image, in words
    mean: tuple[float, ...] = ()  # of one's own: its usual normalisation, one value or one a channel
    std: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()  # of one's own: what came up while it was imported, in words

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

    @property
    def downloadable(self) -> bool:
        """Whether `python -m explorer data` fetches it; others are there or not, and pages are silent on those."""
        return self.download_bytes > 0


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
_CIFAR10, _CIFAR100, _STL10 = "cifar-10-batches-py", "cifar-100-python", "stl10_binary"
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

# What torchvision may have put into the data root already. It publishes an MD5 for each of these files, but no size;
# for those of KMNIST and EMNIST as they are packed, so that we read them packed.
_CIFAR100_NAMES = DataFile(f"{_CIFAR100}/meta", 0, "7973b15100ade9c7d40fb424638fde48")
_CIFAR100_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy
    porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
"""
_EMNIST = (DataFile("EMNIST/raw/gzip.zip", 0, "58c8d27c78d21e728a6bc7b3cc06412e"),)  # has all of its splits

DATASETS |= {
    "cifar100": DatasetInfo(
        name="cifar100",
        title="CIFAR-100",
        classes=tuple(_CIFAR100_CLASSES.split()),
        shape=(3, 32, 32),
        reader="CIFAR100",
        folder=_CIFAR100,
        files={
            "train": (DataFile(f"{_CIFAR100}/train", 0, "16019d7e3df5f24257cddd939b257f8d"), _CIFAR100_NAMES),
            "test": (DataFile(f"{_CIFAR100}/test", 0, "f0ef6b0ae62326f3e7ffdfab6717acfc"), _CIFAR100_NAMES),
        },
        download_bytes=0,
    ),
    "kmnist": DatasetInfo(
        name="kmnist",
        title="KMNIST",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        shape=(1, 28, 28),
        reader="KMNIST",
        folder="KMNIST",
        files={
            "train": (
                DataFile("KMNIST/raw/train-images-idx3-ubyte.gz", 0, "bdb82020997e1d708af4cf47b453dcf7"),
                DataFile("KMNIST/raw/train-labels-idx1-ubyte.gz", 0, "e144d726b3acfaa3e44228e80efcd344"),
            ),
            "test": (
                DataFile("KMNIST/raw/t10k-images-idx3-ubyte.gz", 0, "5c965bf0a639b31b8f53240b1b52f4d7"),
                DataFile("KMNIST/raw/t10k-labels-idx1-ubyte.gz", 0, "7320c461ea6c1c855c0b718fb2a4b134"),
            ),
        },
        download_bytes=0,
    ),
    "emnist-balanced": DatasetInfo(
        name="emnist-balanced",
        title="EMNIST balanced",
        classes=tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
        shape=(1, 28, 28),
        reader="EMNIST",
        folder="EMNIST",
        files={"train": _EMNIST, "test": _EMNIST},
        download_bytes=0,
    ),
    "stl10": DatasetInfo(
        name="stl10",
        title="STL-10",
        classes=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
        shape=(3, 96, 96),
        reader="STL10",
        folder=_STL10,
        files={
            "train": (
                DataFile(f"{_STL10}/train_X.bin", 0, "918c2871b30a85fa023e0c44e0bee87f"),
                DataFile(f"{_STL10}/train_y.bin", 0, "5a34089d4802c674881badbb80307741"),
            ),
            "test": (
                DataFile(f"{_STL10}/test_X.bin", 0, "7f263ba9f9e0b06b93213547f721ac82"),
                DataFile(f"{_STL10}/test_y.bin", 0, "36f9794fa4beb8a2c72628de14fa638e"),
            ),
        },
        download_bytes=0,
    ),
    "svhn": DatasetInfo(
        name="svhn",
        title="SVHN",
        classes=tuple("0123456789"),
        shape=(3, 32, 32),
        reader="SVHN",
        folder=".",  # torchvision puts its files into the data root itself
        files={
            "train": (DataFile("train_32x32.mat", 0, "e26dedcc434d2e4c54c9b2d4a06d8373"),),
            "test": (DataFile("test_32x32.mat", 0, "eb5a983be6a315427106f1b164d9cef3"),),
        },
        download_bytes=0,
    ),
}

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
