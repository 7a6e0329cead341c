"""Folders of small images, and networks with weights in a file, to import."""

import safetensors.torch
import torch
from PIL import Image
from torchvision import models as tv

SIDE = 32


def write_png(image, path):
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


def paint(folder, names=("cat", "dog"), each=4, size=(40, 50)):
    """Write a few random PNGs into a folder for each class; returns the folder that holds those."""
    generator = torch.Generator().manual_seed(len(str(folder)))
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            image = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
            write_png(image, folder / name / f"{i}.png")
    return folder


def network(arch="squeezenet1_1", classes=2, seed=0, **options):
    torch.manual_seed(seed)
    return tv.get_model(arch, weights=None, num_classes=classes, **options).eval()


def keep(places, state, name="net.pth"):
    path = places / "own" / name
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path
