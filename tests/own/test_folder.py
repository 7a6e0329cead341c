import os

import pytest
import torch
from students import NET, net_of, text, write
from user_files import SIDE, keep, network, paint

from explorer.files.places import PROJECT
from explorer.own import folder as own_folder
from explorer.own.images import import_images
from explorer.own.networks import import_network


def test_what_lies_in_the_folder_can_be_chosen(pets, places):
    own = places / "own"
    paint(own / "deep" / "flat")
    keep(places, {"a": torch.zeros(1)}, "a.pt")
    keep(places, {"a": torch.zeros(1)}, "deep/b.safetensors")
    keep(places, {"a": torch.zeros(1)}, "._a.pt")
    for hidden in (".ipynb_checkpoints", "__MACOSX"):
        paint(own / hidden / "pets")
    paint(own / "upper" / "VALIDATION")
    (own / "notes.txt").touch()
    assert own_folder.image_folders() == [os.path.join("deep", "flat"), "pets", "upper"]
    assert own_folder.weights_files() == ["a.pt", os.path.join("deep", "b.safetensors")]
    assert own_folder.image_folders(places / "nowhere") == own_folder.weights_files(places / "nowhere") == []


def test_links_that_lead_outside_are_refused(places):
    own, outside = places / "own", paint(places / "elsewhere")
    torch.save(network().state_dict(), outside / "net.pth")
    os.symlink(outside / "net.pth", own / "link.pth")
    os.symlink(outside, own / "linked")
    assert own_folder.weights_files() == [] and own_folder.image_folders() == []
    paint(own / "flat")
    os.symlink(outside / "cat" / "0.png", own / "flat" / "dog" / "9.png")
    for path in (own / "flat", own / "linked", own / ".." / "elsewhere"):
        with pytest.raises(ValueError, match="leads out of .*own; put what you import into that folder"):
            import_images(path, "x", SIDE, within=own)
    import_images(own / "flat", "flat", SIDE)
    with pytest.raises(ValueError, match="link.pth leads out of"):
        import_network("squeezenet1_1", own / "link.pth", "flat", within=own)


def test_a_module_beside_the_code_that_leads_outside_is_refused(pets, places):
    own, outside = places / "own", places / "elsewhere"
    write(outside, {"parts.py": text(NET), "more/__init__.py": text(NET)})
    file, state = write(own, {"net.py": "from parts import Net\n"}), keep(places, net_of(text(NET)).state_dict())
    os.symlink(outside / "parts.py", own / "parts.py")
    with pytest.raises(ValueError, match="parts.py leads out of .*own; put what you import into that folder"):
        import_network(f"{file}:Net", state, "pets", within=own)
    file.write_text("from more import Net\n")
    os.symlink(outside / "more", own / "more")
    with pytest.raises(ValueError, match="__init__.py leads out of"):
        import_network(f"{file}:Net", state, "pets", within=own)
    assert import_network(f"{file}:Net", state, "pets").name == "net_pets", "the command line takes any path"


def test_the_folder_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("EXPLORER_OWN", raising=False)
    assert own_folder.own_root() == PROJECT / "own"
