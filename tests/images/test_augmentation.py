import pytest
import torch

from explorer.images import augmentation
from explorer.images.augmentation import (
    AUGMENTATIONS,
    augment,
    describe,
    parse,
    random_crop,
    random_flip,
    random_jitter,
    random_noise,
    random_occlusion,
    random_rotation,
    random_scale,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def grey(n=200, side=16, value=100):
    return torch.full((n, 3, side, side), value, dtype=torch.uint8)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_keeps_shape_and_kind_and_repeats_by_its_seed(name):
    known = AUGMENTATIONS[name]
    images = torch.randint(0, 256, (20, 3, 12, 10), generator=seeded(), dtype=torch.uint8)
    before = images.clone()
    once, again, other = (known.apply(images, known.usual, seeded(seed)) for seed in (1, 1, 2))
    assert once.shape == images.shape and once.dtype == torch.uint8
    assert torch.equal(once, again) and not torch.equal(once, other) and not torch.equal(once, images)
    assert torch.equal(images, before)


def test_flip_mirrors_about_its_share():
    images = torch.arange(4, dtype=torch.uint8).view(1, 1, 1, 4).expand(400, 3, 2, 4)
    flipped = random_flip(images, 0.5, seeded())
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_crop_takes_every_window_of_the_padded_image():
    image = torch.arange(1, 13, dtype=torch.uint8).view(1, 3, 2, 2)
    crops = random_crop(image.expand(500, 3, 2, 2), 1, seeded())
    padded = torch.nn.functional.pad(image[0], [1] * 4)
    windows = {tuple(padded[:, y : y + 2, x : x + 2].flatten().tolist()) for y in range(3) for x in range(3)}
    assert crops.shape == (500, 3, 2, 2) and crops.dtype == torch.uint8
    assert set(map(tuple, crops.flatten(1).tolist())) == windows


def test_scale_zooms_in_and_out():
    images = torch.zeros(200, 1, 20, 20, dtype=torch.uint8)
    images[:, :, 5:15, 5:15] = 200
    areas = random_scale(images, 0.2, seeded()).float().sum((1, 2, 3)) / 200
    assert 60 < areas.min() < 72 and 135 < areas.max() < 148  # 100 × 0.8², 100 × 1.2²


def test_rotation_turns_either_way_and_keeps_the_centre():
    images = torch.zeros(300, 1, 21, 21, dtype=torch.uint8)
    images[:, :, 10, 11:] = 255  # a hand that points to the right
    turned = random_rotation(images, 90, seeded())
    above, below = turned[:, 0, :9].float().sum((1, 2)), turned[:, 0, 12:].float().sum((1, 2))
    assert 90 < (above > below).sum() < 210
    assert turned[:, 0, :, :9].float().mean() < 1  # never further than 90°
    assert torch.equal(random_rotation(grey(), 1e-6, seeded()), grey())


def test_jitter_changes_brightness_and_contrast():
    images = grey()
    images[:, :, :8] = 140
    values = random_jitter(images, 0.2, seeded()).float()
    means, contrasts = values.mean((1, 2, 3)), values[:, 0, 0, 0] - values[:, 0, -1, 0]
    assert 65 < means.min() < 85 and 155 < means.max() < 175  # 120 ± 51
    assert 31 <= contrasts.min() < 35 and 45 < contrasts.max() <= 49  # 40 ± 8


def test_noise_has_its_deviation():
    values = random_noise(grey(), 0.05, seeded()).float()
    assert values.mean().item() == pytest.approx(100, abs=0.2)
    assert values.std().item() == pytest.approx(0.05 * 255, rel=0.02)


@pytest.mark.parametrize("side", [1, 4, 7])
def test_occlusion_blackens_one_square(side):
    images = random_occlusion(grey(3000), side, seeded())
    black = (images == 0).all(1)  # (N, H, W)
    assert torch.equal(black, (images == 0).any(1))
    heights, widths = black.any(2).sum(1), black.any(1).sum(1)
    assert (black.sum((1, 2)) == heights * widths).all() and int(heights.max()) == int(widths.max()) == side
    assert (black.sum((1, 2)) == side**2).float().mean() > 0.25  # the others are cut off at the rim
    assert black.any(0).all()


def test_all_are_applied_in_turn():
    images = torch.randint(0, 256, (9, 3, 8, 8), generator=seeded(), dtype=torch.uint8)
    generator = seeded(5)
    expected = random_occlusion(random_flip(images, 0.5, generator), 2, generator)
    assert torch.equal(augment(images, {"occlusion": 2, "flip": 0.5, "crop": 0}, seeded(5)), expected)
    assert augment(images, {}, seeded()) is images


def test_text_and_back():
    nothing = dict.fromkeys(AUGMENTATIONS, 0)
    assert parse("none") == nothing and describe(nothing) == "none"
    assert parse("crop=2,flip") == nothing | {"flip": 0.5, "crop": 2}
    usual = {name: known.usual for name, known in AUGMENTATIONS.items()}
    assert parse(",".join(AUGMENTATIONS)) == parse(describe(usual)) == usual
    for name, strength in usual.items():
        augmentation.check(name, strength)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unknown augmentation ''; choose none or some of: flip,crop,scale"),
        ("flip,mixup", "unknown augmentation 'mixup'"),
        ("crop=much", "augmentation 'crop=much' is not NAME or NAME=STRENGTH, such as crop=4"),
        ("crop=nan", "crop nan is not a whole number in 0…16"),
        ("rotate=inf", "rotate inf is not a number in 0…180"),
        ("occlusion=2.5", "occlusion 2.5 is not a whole number in 0…64"),
        ("scale=-0.1", "scale -0.1 is not a number in 0…0.5"),
    ],
)
def test_text_that_makes_no_sense(text, words):
    with pytest.raises(ValueError, match=words):
        parse(text)
