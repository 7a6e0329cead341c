"""What students have, brought in as it is: every row of these tables is a case of its own."""

# ruff: noqa: E501 - tables of cases, one a line

import json
import pickle
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import students
import torch
from students import NET, TRAINS, WEIGHTS, net_of, notebook, prefixed, text, write
from torch import nn
from torchvision import models as tv
from user_files import SIDE, keep

import explorer as ex
from explorer.files.errors import sentence
from explorer.images import reading
from explorer.images.batches import Batches
from explorer.language.saying import again, say, speaking
from explorer.networks import checkpoints, weights, widths
from explorer.networks.evaluation import logits
from explorer.own import building, trial
from explorer.own import networks as own_networks
from explorer.own.building import first_look
from explorer.own.networks import IMAGENET_MEAN, IMAGENET_STD, import_network
from explorer.training.finetuning import finetuning_recipe
from explorer.training.loop import train


@pytest.fixture
def at_once(monkeypatch):
    """First looks within this process, which a process of its own only makes slower."""
    monkeypatch.setattr(building, "try_out", lambda *asked: trial.as_told(first_look(*asked)))


def images():
    return Batches(reading.load_split("pets", "test"), IMAGENET_MEAN, IMAGENET_STD)


def assert_same(name, net, nearly=False):
    """The checkpoint gives the logits of the network."""
    found, wanted = logits(checkpoints.load(name).model, images()), logits(net.float().eval(), images())
    torch.testing.assert_close(found, wanted, rtol=2e-2 if nearly else 1e-5, atol=2e-2 if nearly else 1e-6)


# Weights


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_in_any_file(pets, places, at_once, kind):
    save, name, nearly = WEIGHTS[kind]
    net = net_of(text(NET))
    state = save(net)
    file = write(places / "own", {"net.py": text(NET)})
    made = import_network(str(file), keep(places, state, name), "pets")
    assert made.name == "net_pets"
    assert_same(made.name, net, nearly)
    undone = not isinstance(state, dict) or state.keys() != net_of(text(NET)).state_dict().keys()
    assert bool(made.notes) == (undone or kind.startswith(("float", "bfloat"))), made.notes
    assert checkpoints.read_card(made.name).source.notes == made.notes


# Code


PACKAGE = {
    "net.py": "from models.whole import Net\n",
    "models/__init__.py": "from .blocks import block\n",
    "models/blocks.py": text(NET).replace("class Net", "class _Net") + "\ndef block():\n    return _Net\n",
    "models/whole.py": "from . import block\nfrom .blocks import *\n\nclass Net(block()):\n    pass\n",
}
FUNCTION = text(NET) + "\ndef make(width=4):\n    return Net(width=width)\n\ndef helper(x):\n    return x\n"
# What a file holds: (the files, what is asked for after its name, its arguments)
FILES = {
    "a class": ({"net.py": text(NET)}, "", {}),
    "a class by its name": ({"net.py": text(NET)}, ":Net", {}),
    "a script that trains at top level": ({"train.py": text(NET, TRAINS)}, "", {}),
    "a script with a main part": ({"a.py": text(NET) + "\nif __name__ == '__main__':\n    train()\n"}, "", {}),
    "a notebook": ({"lab.ipynb": notebook("%matplotlib inline\n!pip install x", NET, TRAINS, "Net?")}, "", {}),
    "a notebook's cell for the shell": ({"lab.ipynb": notebook("%%bash\nls", NET)}, ":Net", {}),
    "a module beside it": ({"net.py": "from parts import Net\n", "parts.py": text(NET, TRAINS)}, ":Net", {}),
    "a module beside it, whole": ({"net.py": "import parts\nNet = parts.Net\n", "parts.py": text(NET)}, ":Net", {}),
    "a package beside it": (PACKAGE, ":Net", {}),
    "a function": ({"net.py": FUNCTION}, ":make", {}),
    "the function, not its class": ({"net.py": FUNCTION}, "", {}),
    "an argument": ({"net.py": text(NET)}, "", {"width": 8}),
    "an argument that the images answer": (
        {"net.py": text(NET).replace("num_classes=2, width=4", "num_classes, width=4")}, "", {},
    ),
    "a package that is not installed": ({"net.py": "import wandb_of_nobody as wb\n" + text(NET)}, "", {}),
    "a choice of packages": (
        {"net.py": "try:\n    import nothing_such\nexcept ImportError:\n    nothing_such = None\n" + text(NET)}, "", {},
    ),
    "constants": (
        {"net.py": "A, B = 2, [4, 6]\nD = {'w': B[0] * A // 2}\n" + text(NET).replace("width=4", "width=D['w']")}, "", {},
    ),
    "a device": (
        {"net.py": "import torch\ndev = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\n"
         + text(NET).replace("width)\n", "width).to(dev)\n")}, "", {},
    ),
    "settings of its own": (
        {"net.py": "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\nclass Config:\n"
         "    width: int = 4\n" + text(NET).replace("width=4", "width=Config().width")}, "", {},
    ),
    "what prints": ({"net.py": text(NET).replace("super().__init__()", "super().__init__(); print('x' * 2000000)")}, "", {}),
    "a window": (
        {"net.py": text(NET).replace(
            "super().__init__()", "super().__init__(); import matplotlib.pyplot as plt; plt.plot([1]); plt.show()"
        )}, "", {},
    ),
    "half precision": ({"net.py": text(NET) + "\ndef half():\n    return Net().half()\n"}, ":half", {}),
    "double precision": ({"net.py": text(NET) + "\ndef double():\n    return Net().double()\n"}, ":double", {}),
    "layers made on first use": ({"net.py": text(NET).replace("nn.Linear(6,", "nn.LazyLinear(")}, "", {}),
    "weight norm in its code": (
        {"net.py": text(NET).replace("nn.Conv2d(width, 6, 3, padding=1)",
                                     "nn.utils.weight_norm(nn.Conv2d(width, 6, 3, padding=1))")}, "", {},
    ),
    "spectral norm of old in its code": (
        {"net.py": text(NET).replace("nn.Conv2d(width, 6, 3, padding=1)",
                                     "nn.utils.spectral_norm(nn.Conv2d(width, 6, 3, padding=1))")}, "", {},
    ),
    "what writes into its images": ({"net.py": text(NET).replace("def forward(self, x):", "def forward(self, x):\n        x += 0.0; x.clamp_(-9, 9)")}, "", {}),
    "a norm by parametrization in its code": (
        {"net.py": text(NET).replace("nn.Conv2d(width, 6, 3, padding=1)",
                                     "nn.utils.parametrizations.weight_norm(nn.Conv2d(width, 6, 3, padding=1))")}, "", {},
    ),
    "annotations of what is nowhere": (
        {"net.py": "from __future__ import annotations\n" + text(NET).replace("def features(self, x)", "def features(self, x: Nowhere) -> Net")},
        "", {},
    ),
    "a package before a module of that name": (
        {"net.py": "from models import Net\n", "models.py": "Net = None\n", "models/__init__.py": text(NET)}, ":Net", {},
    ),
    "a function that needs what is left out": (
        {"net.py": "loader = open('x')\ndef train(loader=loader):\n    pass\n" + text(NET)}, ":Net", {},
    ),
    "settings of libraries": (
        {"net.py": "import os, warnings\nimport matplotlib.pyplot as plt\nos.environ['A'] = '1'\nplt.rcParams.update(a=1)\n"
         + text(NET) + "\ntorch.backends.cudnn.benchmark = True\nwarnings.x = 3\ndef seed():\n    torch.backends.cudnn.x = 1\nseed()\n"}, "", {},
    ),
    "a script that hands itself about": (
        {"net.py": "from torch.nn import *\nC = {'w': 4}\nH = []\n" + text(NET).replace("width=4", "width=C['w']") + "\ndef init(m):\n    m.x = 3\n"
         "def train(m, c):\n    H.append(c['w'])\n    m.w = c.get('w')\nclass T:\n    def __init__(self, m):\n        self.m = m; m.x = 1\n"
         "model = Net()\nmodel.apply(init)\ntrain(model, C)\nT(model)\nprint(Net, torch.add(torch.ones(1), 1), 'S' in globals())\n"
         "for p in model.parameters():\n    p.requires_grad = False\n"}, ":Net", {},
    ),
    "a notebook's timed cell": (
        {"lab.ipynb": notebook(NET.replace("F.relu(", "torch.sigmoid("), "%%time\n" + text(NET), "%%capture x\nimport torch")}, "", {},
    ),
    "a notebook's questions": (
        {"lab.ipynb": notebook("%matplotlib inline\nW = 3  # enough?\nW = 4  # or?", text(NET).replace("width=4", "width=W") + "  # right?")},
        "", {},
    ),
    "a notebook that runs a file beside it": (
        {"lab.ipynb": notebook(NET.replace("F.relu(", "torch.sigmoid("), "%run -i parts.py --epochs 3"), "parts.py": text(NET, TRAINS)}, ":Net", {},
    ),
    "a notebook's lines for the shell": (
        {"lab.ipynb": notebook("files = !ls\n%time x = 3\nif files:\n    !pip install \\\n  x", "x = (7\n% 3)", NET)}, "", {},
    ),
    "wrapped in its code": ({"net.py": text(NET) + "\ndef wrapped():\n    return nn.DataParallel(Net())\n"}, ":wrapped", {}),
    "a train() of its own": ({"net.py": text(NET) + "\n    def train(self, mode=True):\n        return super().train(mode)\n"}, "", {}),
    "Latin-1": ({"net.py": "# -*- coding: latin-1 -*-\n# caf\xe9\n" + text(NET)}, "", {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_network_from_a_file(pets, places, at_once, kind):
    files, name, options = FILES[kind]
    if kind == "Latin-1":
        (places / "own" / "net.py").write_bytes(files["net.py"].encode("latin-1"))
        file = places / "own" / "net.py"
    else:
        file = write(places / "own", files)
    net = net_of(text(NET), **options)
    made = import_network(f"{file}{name}", keep(places, net.state_dict()), "pets", "mine", options=options)
    assert_same(made.name, net)
    for path in (places / "own").rglob("*.py"):
        path.unlink()  # the checkpoint keeps a copy
    checkpoints.rename("mine", "renamed")
    assert_same("renamed", net)
    checkpoints.delete("renamed")
    assert not list((places / "checkpoints").glob("*mine*")) and not list((places / "checkpoints").glob("renamed*"))


def test_code_that_was_changed_does_not_run(pets, places, at_once):
    file = write(places / "own", {"net.py": text(NET)})
    import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets", "mine")
    kept = places / "checkpoints" / "mine.code.json"
    kept.write_text(kept.read_text().replace("import torch", "raise SystemExit"))
    with pytest.raises(ValueError, match="mine.code.json is not the code that was imported"):
        checkpoints.load("mine")
    kept.unlink()
    with pytest.raises(ValueError, match="mine.code.json, the code that builds the network, is missing"):
        checkpoints.load("mine")


def test_two_networks_with_the_same_weights_are_two(pets, places, at_once):
    """A result of one must not be taken for the other's."""
    state = keep(places, net_of(text(NET)).state_dict())
    made = [
        import_network(str(write(places / "own", {f"{i}.py": code})), state, "pets").name
        for i, code in enumerate((text(NET), text(NET).replace("F.relu(", "torch.sigmoid(")))
    ]
    one, other = map(checkpoints.load, made)
    assert one.sha256 == other.sha256 and one.card.network != other.card.network


def scaled(by: str) -> str:
    """A network whose logits are times what `by` says."""
    return text(NET).replace("return self.fc(self.features(x))", f"return {by} * self.fc(self.features(x))")


TRIPLE = (
    "\ndef triple(cls):\n    old = cls.forward\n    cls.forward = lambda self, x: 3 * old(self, x)\n    return cls\n"
)
# What a file changes after it is defined, and is run
CHANGED = {
    "a constant, added to": "SCALE = 1.0\nSCALE += 2\n" + scaled("SCALE"),
    "an entry": "C = {'s': 1.0}\nC['s'] = 3.0\n" + scaled("C['s']"),
    "a method": text(NET)
    + "\ndef forward(self, x):\n    return 3 * self.fc(self.features(x))\n\nNet.forward = forward\n",
    "a method, by lambda": text(NET) + "\nNet.features = lambda self, x: self.conv2(self.conv1(x)).mean((2, 3))\n",
    "an attribute of the class": scaled("self.scale") + "\nNet.scale = 3.0\n",
    "a decorator": TRIPLE + text(NET).replace("class Net", "@triple\nclass Net"),
    "a function defined twice": "def scale():\n    return 1.0\n\ndef scale():\n    return 3.0\n" + scaled("scale()"),
    "a lambda": "def scale():\n    return 1.0\n\nscale = lambda: 3.0\n" + scaled("scale()"),
    "a partial": "from functools import partial\nscale = partial(max, 3.0)\n" + scaled("scale(1.0)"),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_what_a_file_changes_after_it_is_defined_counts(pets, places, at_once, kind):
    net = net_of(CHANGED[kind])
    made = import_network(
        f"{write(places / 'own', {'net.py': CHANGED[kind]})}:Net", keep(places, net.state_dict()), "pets"
    )
    assert_same(made.name, net)


PATCH = "def patch(cls):\n    cls.forward = lambda self, x: 3 * x\n\n"
# What a file changes by running code, and what is said of it
CHANGED_BY_CODE = {
    "a constant": ("SCALE = 1.0\nSCALE = float('3')\nSCALE = sum(map(float, '3'))\n" + scaled("SCALE"), "it needs SCALE, which line 3 sets by"),
    "a constant, later": ("SCALE = 1.0\n" + scaled("SCALE") + "\nSCALE = sum(map(float, '3'))\n", "it needs SCALE, which line 21 sets by"),
    "a constant of what was left out": ("SCALE = 1.0\nargs = parse()\nSCALE = args.s\n" + scaled("SCALE"), "it needs SCALE, but `SCALE = args.s` fails"),
    "an entry of what was left out": ("C = {'s': 1.0}\nargs = parse()\nC['s'] = args.s\n" + scaled("C['s']"), "it needs C, but `C\\['s'\\] = args.s` fails"),
    "an entry": ("C = {'s': 1.0}\nC['s'] = parse()\n" + scaled("C['s']"), "it needs C, which line 2 sets"),
    "a list": ("L = [1.0]\nfor i in range(3):\n    L.append(i)\n" + scaled("sum(L)"), "it needs L, which line 2 sets"),
    "a loop's name": ("S = 1.0\nfor S in range(3):\n    pass\n" + scaled("S"), "it needs S, which line 2 sets"),
    "its main part": ("S = 1.0\n" + scaled("S") + "\nif __name__ == '__main__':\n    S = 3.0\n", "it needs S, which line 21 sets"),
    "a global": ("S = 1.0\ndef put(v):\n    global S\n    S = v\nput(3.0)\n" + scaled("S"), "it needs S, which line 5 sets"),
    "a function in a block": ("def s():\n    return 1.0\nwith open('x'):\n    def s():\n        return 3.0\n" + scaled("s()"), "it needs s, which line 3 sets"),
    "a function where a test fails": ("def s():\n    return 1.0\nif FAST:\n    def s():\n        return 3.0\n" + scaled("s()"), "it needs s, but `if FAST:` fails"),
    "its class": (TRIPLE + text(NET) + "\nNet = triple(Net)\n", "it needs Net, which line 25 sets"),
    "a method": (text(NET) + "\nNet.forward = parse()\n", "it needs Net, which line 20 sets"),
    "a class, by a call": (PATCH + text(NET) + "\npatch(Net)\n", "it needs Net, which line 23 sets"),
    "a class, by a call of a call": (PATCH + text(NET) + "\ndef both(a, b):\n    patch(b)\nboth(1, b=Net)\n", "it needs Net, which line 25 sets"),
    "a class, by a lambda": ("p = lambda c: setattr(c, 'x', 3)\n" + text(NET) + "\np(Net)\n", "it needs Net, which line 21 sets"),
    "a class, by what was left out": (text(NET) + "\np = make()\np.apply(Net)\n", "it needs Net, which line 21 sets"),
    "a class, by a partial": ("from functools import partial\n" + PATCH + text(NET) + "\np = partial(patch)\np(Net)\n", "it needs Net, which line 25 sets"),
    "a class, by a partial without a name": ("import functools\ndef put(s, cls):\n    cls.s = s\n" + text(NET) + "\nfunctools.partial(put, 3)(Net)\n", "it needs Net, which line 23 sets"),
    "a class, given to a partial": ("from functools import partial\n" + PATCH + text(NET) + "\np = partial(patch, cls=Net)\np()\n", "it needs Net, which line 25 sets"),
    "a class, by map of a partial": ("from functools import partial\n" + PATCH + text(NET) + "\nlist(map(partial(patch), [Net]))\n", "it needs Net, which line 24 sets"),
    "a class, by a lambda without a name": (text(NET) + "\n(lambda c: setattr(c, 'x', 3))(Net)\n", "it needs Net, which line 20 sets"),
    "a class, in a list that is spread": ("def put(s, cls):\n    cls.s = s\n" + text(NET) + "\nput(*[3, Net])\n", "it needs Net, which line 22 sets"),
    "what a match finds": ("S = 1.0\nmatch 3.0:\n    case S:\n        pass\n" + scaled("S"), "it needs S, which line 2 sets"),
    "a class, by a constructor": ("class T:\n    def __init__(self, c):\n        c.f = 3\n" + text(NET) + "\nt = T(Net)\n", "it needs Net, which line 23 sets"),
    "a class, by its own method": (scaled("self.s") + "\n    @classmethod\n    def scale(cls, s):\n        cls.s = s\nNet.scale(3)\n", "it needs Net, which line 23 sets"),
    "a class, within a function": (text(NET) + "\ndef go():\n    Net.features = print\ngo()\n", "it needs Net, which line 22 sets"),
    "a class by another name": (PATCH + text(NET) + "\nM = Net\npatch(M)\n", "it needs Net, which line 24 sets"),
    "a class, by a function of another name": (PATCH + text(NET) + "\nq = patch\nq(Net)\n", "it needs Net, which line 24 sets"),
    "a class, by map": (PATCH + text(NET) + "\nlist(map(patch, [Net]))\n", "it needs Net, which line 23 sets"),
    "each class of a loop": (text(NET) + "\nfor c in (Net,):\n    c.x = 3\n", "it needs Net, which line 20 sets"),
    "each class of a comprehension": (PATCH + text(NET) + "\n[patch(c) for c in (Net,)]\n", "it needs Net, which line 23 sets"),
    "each class that is given": ("def go(*cs):\n    for c in cs:\n        c.x = 3\n" + text(NET) + "\ngo(Net)\n", "it needs Net, which line 23 sets"),
    "the class of an object": (text(NET) + "\nmodel = Net()\ntype(model).x = 3\n", "it needs Net, which line 21 sets"),
    "the class of what is given": ("def go(m):\n    m.__class__.x = 3\n" + text(NET) + "\ngo(Net())\n", "it needs Net, which line 22 sets"),
    "what a class is made of": (PATCH + text(NET).replace("class Net(nn.Module)", "class Base(nn.Module):\n    pass\n\nclass Net(Base)") + "\npatch(Base)\n", "it needs Net, which line 26 sets"),
    "a list by another name": ("A = B = [1.0]\nB.append(2.0)\n" + scaled("A[0]"), "it needs A, which line 2 sets"),
    "a list, in place": ("import random\nA = [1.0, 2.0]\nrandom.shuffle(A)\n" + scaled("A[0]"), "it needs A, which line 3 sets"),
    "a name, by globals": ("S = 1.0\n" + scaled("S") + "\nglobals()['S'] = 3\n", "it needs S, which line 21 sets"),
    "a constant, by a function": ("C = {'s': 1.0}\ndef put(c):\n    c.update(s=3)\nput(C)\n" + scaled("C['s']"), "it needs C, which line 4 sets"),
    "anything, by exec": (text(NET) + "\nexec('Net.forward = 3')\n", r"line 20 of net.py may change anything, by exec\(\)"),
    "anything, by globals": (text(NET) + "\nglobals().update(S=3)\n", "line 20 of net.py may change anything"),
    "a module by its name": ("import sys\n" + text(NET) + "\nsys.modules[__name__].S = 3\n", "line 21 of net.py changes sys.modules"),
    "a function of torch": (text(NET) + "\ntorch.nn.functional.relu = print\n", "line 20 of net.py changes torch.nn.functional.relu, which all"),
    "a function of torch, by a short name": (text(NET) + "\nF.relu = F.gelu\n", "line 20 of net.py changes torch.nn.functional.relu"),
    "a class of torch": (text(NET) + "\nnn.Conv2d.forward = print\n", "line 20 of net.py changes torch.nn.Conv2d.forward"),
    "a class of torch, by another name": (text(NET) + "\nC = nn.Conv2d\nC.forward = print\n", "line 21 of net.py changes torch.nn.Conv2d.forward"),
    "a class of torch, of all its names": ("from torch.nn import *\n" + text(NET) + "\nConv2d.forward = print\n", "line 21 of net.py changes torch.nn.Conv2d.forward"),
    "a class of torch, by a call": (PATCH + text(NET) + "\npatch(nn.Conv2d)\n", "line 23 of net.py changes torch.nn.Conv2d.forward"),
    "a class of torch, within a function": (text(NET) + "\ndef go():\n    setattr(nn.ReLU, 'forward', print)\ngo()\n", "line 22 of net.py changes torch.nn.ReLU.forward"),
    "all modules, by a hook": (text(NET) + "\nnn.modules.module.register_module_forward_hook(print)\n", "line 20 of net.py changes torch.nn.modules.module.register"),
    "torch, in its constructor": (text(NET).replace("super().__init__()", "super().__init__(); nn.ReLU.forward = lambda self, x: x"), "net.py: it changes torch.nn.modules.activation.ReLU.forward, which all"),
    "torch, by what is kept in a dict": ("from torch import nn\nD = {'r': nn.ReLU}\nD['r'].forward = lambda self, x: x\n" + text(NET), "net.py: it changes torch.nn.modules.activation.ReLU.forward"),
    "torch, by a decorator": ("import torch\ndef act(c):\n    torch.relu = torch.sigmoid\n    return c\n" + text(NET).replace("class Net", "@act\nclass Net"), "net.py: it changes torch.relu, which all"),
    "how torch is set": (text(NET).replace("super().__init__()", "super().__init__(); torch.set_default_dtype(torch.float64)"), "net.py: it changes torch.get_default_dtype"),
    "a method by name": (TRIPLE + text(NET) + "\nsetattr(Net, 'forward', print)\n", "it needs Net, which line 25 sets"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGED_BY_CODE)
def test_what_a_file_changes_by_running_code_is_refused_where_it_counts(pets, places, at_once, monkeypatch, kind):
    code, words = CHANGED_BY_CODE[kind]
    file, state = write(places / "own", {"net.py": code}), keep(places, net_of(text(NET)).state_dict())
    monkeypatch.setattr(nn.ReLU, "forward", nn.ReLU.forward)  # which some of them change
    monkeypatch.setattr(torch, "relu", torch.relu)
    with pytest.raises(ValueError, match=words):
        import_network(f"{file}:Net", state, "pets")
    torch.set_default_dtype(torch.float32)


def test_a_module_beside_it_says_where_it_was_changed(pets, places, at_once):
    file = write(places / "own", {"net.py": "from a import Net\n", "a.py": "S = parse()\n" + scaled("S")})
    with pytest.raises(ValueError, match="it needs S, which line 1 of a.py sets by running code") as caught:
        import_network(f"{file}:Net", keep(places, net_of(text(NET)).state_dict()), "pets")
    with speaking("zh"):
        said = sentence(caught.value)
        assert "a.py 第 1 行" in said and "by running" not in said, said


def test_what_a_process_of_its_own_says_is_said_again_in_chinese():
    said = say("{title}: {why}", title="net.py", why=say("no arguments"))
    told = trial._unpacked(json.loads(json.dumps(trial._packed(said))))
    assert told == "net.py: no arguments" and trial._unpacked("plain") == "plain"
    with speaking("zh"):
        assert again(told) == "net.py：无参数"


def test_weights_that_do_not_fit_are_refused_in_chinese_to_the_last_word(pets, places, at_once):
    file = write(places / "own", {"net.py": text(NET)})
    state = {f"{key}2": value for key, value in net_of(text(NET)).state_dict().items()}
    with pytest.raises(ValueError, match="holds the weights of another network") as caught:
        import_network(str(file), keep(places, state), "pets")
    with speaking("zh"):
        said = sentence(caught.value)
    assert "另有" in said and "more" not in said and "unexpected" not in said, said


# What a module beside a file is changed by, in a line of the file, and what is said of it
CHANGED_BESIDE = {
    "a class of it": ("from u import patch\n" + text(NET) + "\npatch(Net)\n", PATCH, "it needs Net, which line 21 sets"),
    "by its name": ("import u\n" + text(NET) + "\nu.patch(Net)\n", PATCH, "it needs Net, which line 21 sets"),
    "all of its names": ("from u import *\npatch(Net)\n", text(NET) + "\n" + PATCH, "it needs Net, which line 2 sets"),
    "torch": ("import u\n" + text(NET) + "\nu.go()\n", "import torch.nn.functional as F\ndef go():\n    F.relu = F.gelu\n", "line 21 of net.py changes torch.nn.functional.relu"),
    "a name of its own": ("import u as v\n" + scaled("v.S") + "\nv.put(3)\n", "S = 1.0\ndef put(v):\n    global S\n    S = v\n", "it needs S, which line 21 sets"),
    "a name that is imported": ("from u import S, put\n" + scaled("S") + "\nput(3)\n", "S = 1.0\ndef put(v):\n    global S\n    S = v\n", "it needs S, which line 21 sets"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGED_BESIDE)
def test_what_a_file_changes_of_a_module_beside_it_is_refused_where_it_counts(pets, places, at_once, kind):
    code, beside, words = CHANGED_BESIDE[kind]
    file, state = write(places / "own", {"net.py": code, "u.py": beside}), keep(places, net_of(text(NET)).state_dict())
    with pytest.raises(ValueError, match=words):
        import_network(f"{file}:Net", state, "pets")


def test_code_that_changes_between_a_first_look_and_the_import(pets, places, monkeypatch):
    file = write(places / "own", {"net.py": text(NET)})

    def look(*asked):
        found = trial.as_told(first_look(*asked))
        file.write_text(scaled("2"))
        return found

    monkeypatch.setattr(building, "try_out", look)
    with pytest.raises(ValueError, match="net.py, or a module beside it, was changed meanwhile; import it again"):
        import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets")


# What a network holds twice, or under names that mean something elsewhere: a change of its constructor and forward
OWN_NAMES = {
    "tied weights": ("self.other = nn.Linear(6, num_classes); self.other.weight = self.fc.weight", "self.fc", ()),
    "tied weights, one name in the file": ("self.other = nn.Linear(6, num_classes); self.other.weight = self.fc.weight", "self.other", ("other.weight",)),
    "a layer twice": ("self.other = self.fc", "self.other", ()),
    "auxiliary": ("self.aux1 = nn.Linear(6, num_classes)", "self.aux1", ()),
    "as in old DenseNets": ("self.denselayer1 = nn.Module(); self.denselayer1.norm = nn.ModuleList([nn.Linear(6, num_classes)] * 2)", "self.denselayer1.norm[1]", ()),
}  # fmt: skip


@pytest.mark.parametrize("kind", OWN_NAMES)
def test_names_of_weights_are_the_networks_own(pets, places, at_once, kind):
    made, used, gone = OWN_NAMES[kind]
    code = text(NET).replace("self.fc = nn.Linear(6, num_classes)", f"self.fc = nn.Linear(6, num_classes); {made}")
    code = code.replace("return self.fc(", f"return {used}(")
    net, file = net_of(code), write(places / "own", {"net.py": code})
    state = {key: value.clone() for key, value in net.state_dict().items() if key not in gone}
    assert_same(import_network(str(file), keep(places, state), "pets").name, net)


def halved(net):
    return {key: value / 2 if value.is_floating_point() else value for key, value in net.state_dict().items()}


@pytest.mark.parametrize(
    ("save", "words"),
    [
        (lambda net: prefixed("teacher.")(net) | {f"student.{key}": value for key, value in halved(net).items()}, "several networks that fit: 'teacher.', 'student.'; save the one"),
        (lambda net: {"first": net.state_dict(), "best": halved(net)}, "several sets of weights that fit: 'first', 'best'; save the one"),
        (lambda net: {"a": {"model": net.state_dict()}, "b": {"model": halved(net)}}, "fit: 'a.model', 'b.model'; save the one"),
    ],
)  # fmt: skip
def test_two_networks_in_a_file_are_not_guessed_between(pets, places, at_once, save, words):
    file = write(places / "own", {"net.py": text(NET)})
    with pytest.raises(ValueError, match=words):
        import_network(str(file), keep(places, save(net_of(text(NET)))), "pets")


def test_of_two_sets_of_weights_the_usual_is_taken_and_said(pets, places, at_once):
    file, net = write(places / "own", {"net.py": text(NET)}), net_of(text(NET))
    state = keep(places, {"ema": halved(net), "model": net.state_dict(), "last": net.state_dict()})
    made = import_network(str(file), state, "pets")
    assert made.notes == ("the entry 'model' of net.pth", "not the entry 'ema', which fits, too")
    assert_same(made.name, net)


def test_weights_that_begin_like_a_pickle():
    """A safetensors file begins with a length, of which any byte may be the first."""
    files = [safetensors.torch.save({"a" * length: torch.ones(1)}) for length in range(300)]
    alike = [content for content in files if content[:1] == b"\x80"]
    assert alike and all(len(weights.parse(content, Path("net.safetensors"))) == 1 for content in alike)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output": "a.b.c"}, "the card's source builds no own/Net .AttributeError"),
        ({"output": "shape"}, "the network returns a Size for one image, not 2 logits; restore output and form"),
        ({"form": "flat"}, "returns of shape"),
        ({"options": {"num_classes": 5}}, "not 2 logits"),
        ({"options": {"width": {"a": [1]}}}, "net.py: TypeError"),
        ({"options": [1]}, "in the field 'source', which must be"),
        ({"code": 3}, "in the field 'source', which must be"),
    ],
)
def test_a_card_whose_source_was_edited_is_one_sentence(pets, places, at_once, changes, words):
    file = write(places / "own", {"net.py": text(NET)})
    import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets", "mine")
    card = places / "checkpoints" / "mine.json"
    fields = json.loads(card.read_text())
    card.write_text(json.dumps(fields | {"source": fields["source"] | changes}))
    with pytest.raises(ValueError, match=words):
        checkpoints.load("mine")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": float("inf")}, "an argument must be a finite number, .*, not width=inf"),
        ({"width": {1: 2}}, "not width={1: 2}"),
        ({"width": b"4"}, "not width=b'4'"),
        ({"width": "4"}, "net.py: TypeError"),
        ({"depth": 4}, r"Net of net.py takes Net\(num_classes=2, width=4\)"),
    ],
)
def test_arguments_that_cannot_be(pets, places, at_once, options, words):
    file = write(places / "own", {"net.py": text(NET)})
    with pytest.raises(ValueError, match=words):
        import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets", options=options)


def test_a_word_for_yes_or_no_is_not_a_text():
    assert building.parsed(["a=False", "b='false'", "c=x=y"]) == {"a": False, "b": "false", "c": "x=y"}
    with pytest.raises(ValueError, match="--set a=false would be a text; write a=False"):
        building.parsed(["a=false"])


# Outputs


def returning(what: str, classes: int = 2) -> str:
    before = "from dataclasses import dataclass\nfrom collections import namedtuple\nPair = namedtuple('Pair', 'logits features')\n"
    before += "\n@dataclass\nclass Both:\n    logits: object\n    features: object\n"
    code = before + text(NET).replace(
        "return self.fc(self.features(x))", f"f = self.features(x); y = self.fc(f); return {what}"
    )
    return code.replace("num_classes=2", f"num_classes={classes}")


# What a network returns: (the code of it, how many numbers its last layer gives, the logits in it, --output)
OUTPUTS = {
    "a tuple": ("y, f", 2, lambda out: out[0], ""),
    "a list": ("[f, y]", 2, lambda out: out[1], ""),
    "a dict": ("{'features': f, 'logits': y}", 2, lambda out: out["logits"], ""),
    "a named tuple": ("Pair(y, f)", 2, lambda out: out.logits, ""),
    "a data class": ("Both(y, f)", 2, lambda out: out.logits, ""),
    "nested": ("{'out': (f, y)}", 2, lambda out: out["out"][1], ""),
    "two of them, one chosen": ("y, -y", 2, lambda out: out[1], "1"),
    "two of them by key": ("{'main': y, 'aux': y * 2}", 2, lambda out: out["main"], "main"),
    "log-probabilities": ("F.log_softmax(y, 1)", 2, lambda out: out, ""),
    "under a key with a dot": ("{'a.b': y, 'f': f}", 2, lambda out: out["a.b"], ""),
    "beside predictions": ("y.argmax(1), y", 2, lambda out: out[1], ""),
    "beside what compares the images": ("f @ f.T, y", 2, lambda out: out[1], ""),
    "one logit": ("y", 1, lambda out: out, ""),
    "one logit, flat": ("y.squeeze(1)", 1, lambda out: out[:, None], ""),
    "one share": ("torch.sigmoid(y)", 1, lambda out: torch.logit(out, eps=1e-7), ""),
    "one share, flat, in a tuple": (
        "torch.sigmoid(y)[:, 0], f",
        1,
        lambda out: torch.logit(out[0][:, None], eps=1e-7),
        "",
    ),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_logits_are_found_in_what_it_returns(pets, places, at_once, kind):
    what, numbers, find, output = OUTPUTS[kind]
    code = returning(what, numbers)
    net = net_of(code)
    file = write(places / "own", {"net.py": code})
    made = import_network(f"{file}:Net", keep(places, net.state_dict()), "pets", output=output)
    with torch.no_grad():
        wanted = torch.cat([find(net(inputs)) for inputs, _ in images()])
    point = checkpoints.load(made.name)
    torch.testing.assert_close(logits(point.model, images()), wanted, rtol=1e-4, atol=1e-4)
    order = ex.rank(point.model, "conv2", images()).order
    curve = ex.sweep(point.model, "conv2", images(), order)
    for k, predictions in zip(curve.ks, curve.predictions, strict=True):
        pruned = ex.prune(point.model, "conv2", order[:k].tolist())
        by_hand = logits(pruned, images())
        assert predictions.tolist() == (by_hand[:, 0] >= 0 if numbers == 1 else by_hand.argmax(1)).long().tolist()
    assert not curve.slow


# Other sources


def adapted(change):
    def make():
        torch.manual_seed(0)
        net = tv.resnet18(num_classes=2)
        change(net)
        return net.eval()

    return make


def cifar_stem(net):
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()


def other_head(net):
    net.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 2))


def both(net):
    cifar_stem(net)
    other_head(net)


@pytest.mark.parametrize(
    ("asked", "make", "options", "words"),
    [
        ("resnet18", adapted(lambda net: None), {}, ()),
        ("resnet18", adapted(cifar_stem), {}, ("CIFAR stem",)),
        ("resnet18", adapted(other_head), {}, ("classifier is fc.1",)),
        ("resnet18", adapted(both), {}, ("CIFAR stem", "classifier is fc.1")),
        ("torchvision/resnet18", adapted(cifar_stem), {"stem": "cifar"}, ()),
        (
            "resnet18",
            lambda: tv.resnet18(num_classes=2, width_per_group=64, norm_layer=None).eval(),
            {"width_per_group": 64},
            (),
        ),
        ("mobilenet_v2", lambda: tv.mobilenet_v2(num_classes=2, width_mult=0.25).eval(), {"width_mult": 0.25}, ()),
        ("ours:lab-resnet", lambda: building.build("lab-resnet", (3, SIDE, SIDE), 2).eval(), {}, ()),
    ],
)
def test_networks_of_libraries_as_people_change_them(pets, places, asked, make, options, words):
    net = make()
    made = import_network(asked, keep(places, net.state_dict()), "pets", "mine", options=options)
    assert len(made.notes) == len(words) and all(word in note for word, note in zip(words, made.notes, strict=True))
    assert_same("mine", net)


@pytest.mark.parametrize("asked", ["timm:/../net.py:Net", "ours:net.py", "torchvision/net.py:Net"])
def test_a_librarys_name_is_never_a_file(asked):
    assert building.code_path(asked) is None


def test_timm_loads_no_checkpoint_of_its_own(pets, places):
    pytest.importorskip("timm")
    state = keep(places, net_of(text(NET)).state_dict())
    with pytest.raises(ValueError, match="resnet10t cannot be built with checkpoint_path='evil.pt'"):
        import_network("timm:resnet10t", state, "pets", options={"checkpoint_path": "evil.pt"})


def test_a_network_of_timm(pets, places):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    net = timm.create_model("resnet10t", num_classes=2).eval()
    made = import_network("timm:resnet10t", keep(places, net.state_dict()), "pets")
    assert made.name == "resnet10t_pets" and checkpoints.read_card(made.name).model == "timm/resnet10t"
    assert_same(made.name, net)
    with pytest.raises(ValueError, match="timm has no network 'resnet10'; the closest are: .*resnet10t"):
        import_network("timm:resnet10", keep(places, net.state_dict()), "pets")


# What cannot be brought in


CONSTRUCTOR = "super().__init__()"
# What a file holds that gives no network: (its code, what is asked for, words of the sentence)
BAD_CODE = {
    "no Python": ("class Net(:", "", r"net.py is no Python that can be read here \(line 1"),
    "nothing": ("", "", "net.py defines 0 networks \\(none: no class in it is an nn.Module\\)"),
    "two networks": (text(NET) + text(NET).replace("class Net", "class Wide"), "", r"2 networks \(Net, Wide\); name one, such as net.py:Net"),
    "no such class": (text(NET), ":Nett", "net.py has no class or function 'Nett'; it has: Net"),
    "no nn.Module": ("class Net:\n    pass\n", ":Net", "Net of net.py is no nn.Module"),
    "a function that gives a number": ("def make():\n    return 3\n", ":make", "make of net.py gives a int, not an nn.Module"),
    "an argument is missing": (
        text(NET).replace("num_classes=2, width=4", "depth, num_classes=2, width=4"), "", r"Net of net.py takes Net\(depth, num_classes=2, width=4\).*such as --set depth=10",
    ),
    "what raises": (text(NET).replace(CONSTRUCTOR, "raise KeyError('depth')"), "", "net.py: KeyError: 'depth'"),
    "what raises ValueError": (text(NET).replace(CONSTRUCTOR, "raise ValueError('depth')"), "", "net.py: ValueError: depth"),
    "a name that running code sets": (
        "import json\nsettings = json.load(open('x'))\n" + text(NET).replace("width=4):", "width=4):\n        settings"), "",
        "net.py: it needs settings, which line 2 sets by running code; only imports",
    ),
    "a package that is not installed": (
        "import wandb_of_nobody as wb\n" + text(NET).replace(CONSTRUCTOR, f"{CONSTRUCTOR}; wb.init()"), "",
        "it needs wb, but `import wandb_of_nobody as wb` fails .*; install what is missing",
    ),
    "exit": (text(NET).replace(CONSTRUCTOR, "exit()"), "", "it calls exit"),
    "what needs CUDA": (text(NET).replace("padding=1)\n", "padding=1).cuda()\n", 1), "", "it needs CUDA"),
    "images of another size": (text(NET).replace(".mean((2, 3))", ".flatten(1)"), "", "Net does not take images of 3 × 32 × 32"),
    "other classes": (text(NET).replace("num_classes=2", "num_classes=100"), "", "its classifier has 100 outputs, the images have 2 classes"),
    "several logits": (returning("y, -y"), ":Net", r"2 outputs that could be the logits \(0, 1\); choose with --output"),
    "predictions alone": (returning("y.argmax(1)"), ":Net", "the images have 2 classes"),
    "other numbers at each look": (
        text(NET).replace("self.fc(self.features(x))", "self.fc(F.dropout(self.features(x)))"), "", "Net gives other numbers each time that it looks .* F.dropout",
    ),
    "the first image's for all": (text(NET).replace("return self.fc(self.features(x))", "y = self.fc(self.features(x)); return y[:1].expand_as(y)"), "", "other numbers alone than among others"),
    "what depends on the batch": (
        text(NET).replace("self.bn(self.conv1(x))", "F.batch_norm(self.conv1(x), None, None, training=True)"), "", "Net gives an image other numbers alone than among others",
    ),
    "a squeeze too many": (text(NET).replace(".mean((2, 3))", ".mean((2, 3)).squeeze()"), "", "other numbers alone than among others"),
    "random numbers that are not kept": (
        text(NET).replace(CONSTRUCTOR, f"{CONSTRUCTOR}; self.r = torch.rand(6)").replace(".mean((2, 3))", ".mean((2, 3)) * self.r"), "",
        "other numbers when it is built again with the same weights; let register_buffer keep",
    ),
    "a lambda that keeps its layers": (
        text(NET).replace(CONSTRUCTOR, f"{CONSTRUCTOR}; self.f = lambda x: self.fc(self.features(x))").replace("return self.fc(self.features(x))", "return self.f(x)"), "",
        "a copy of Net computes with the weights of the first",
    ),
    "what cannot be copied": (
        text(NET).replace("self.fc = nn.Linear(6, num_classes)", "self.fc = nn.Linear(6, num_classes); self.s = self.fc.weight.sum()"), "", "Net cannot be copied, as pruning does",
    ),
    "a forward of one network": (text(NET).replace(CONSTRUCTOR, f"{CONSTRUCTOR}; self.forward = self.features"), "", "Net sets self.forward; define forward in its class"),
    "a training called train()": (text(NET) + "\n    def train(self, loader):\n        for _ in loader: pass\n", "", "Net cannot be set to eval mode .a train.. of its own"),
    "a train() that returns nothing": (text(NET) + "\n    def train(self, mode=True):\n        super().train(mode)\n", "", "Net is not in eval mode after eval"),
    "what fails on real images": (text(NET).replace("return self.fc(", "assert x.max() < 1, 'big'; return self.fc("), "", "Net fails on the test images .AssertionError: big"),
    "not a number": (text(NET).replace("return self.fc(self.features(x))", "return self.fc(self.features(x)) * (-x.amax((1, 2, 3)) ).sqrt()[:, None]"), "", "Net gives NaN"),
    "a class that raises": (text(NET).replace("    def features", "    raise KeyError('x')\n    def features"), "", "net.py: KeyError: 'x'"),
    "a class of what is not installed": ("import pl_of_nobody as pl\n" + text(NET).replace("nn.Module", "pl.LightningModule"), "", "it needs pl, but `import pl_of_nobody as pl` fails"),
    "a state_dict of its own": (
        text(NET) + "\n    def state_dict(self, *a, **k):\n        return {key: value for key, value in super().state_dict(*a, **k).items() if 'bn' not in key}\n", "",
        "net.pth does not fit Net: these weights are unexpected|Net does not take its own weights",
    ),
    "no tensor": (returning("'x'"), ":Net", "the images have 2 classes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_CODE)
def test_code_that_gives_no_network_is_one_sentence(pets, places, at_once, kind):
    code, name, words = BAD_CODE[kind]
    if kind == "what needs CUDA" and torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    file = write(places / "own", {"net.py": code})
    with pytest.raises(ValueError, match=words) as said:
        import_network(f"{file}{name}", keep(places, net_of(text(NET)).state_dict()), "pets")
    assert "\n" not in str(said.value) and len(str(said.value)) < 700
    assert not list((places / "checkpoints").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("input()", r"it asks for input\(\)"),
        ("import os; os._exit(3)", r"ended without an answer \(exit code 3\)"),
        ("[None for _ in iter(int, 1)]", "its network is not built after 8 s"),
        ("import time; time.sleep(999)", "its network is not built after 8 s"),
    ],
)
def test_code_that_would_take_the_process_with_it(pets, places, monkeypatch, does, words):
    if "8 s" in words:
        monkeypatch.setattr(trial, "SECONDS", 8)
    code = text(NET).replace(CONSTRUCTOR, f"{CONSTRUCTOR}; {does}")
    file = write(places / "own", {"net.py": code})
    with pytest.raises(ValueError, match=words):
        import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets")
    assert not list((places / "checkpoints").iterdir())


@pytest.mark.slow
def test_what_a_first_look_starts_ends_with_it(pets, places):
    mark = places / "own" / "late"
    does = f"import subprocess; subprocess.Popen(['sh', '-c', 'sleep 6; touch {mark}'])"
    file = write(places / "own", {"net.py": text(NET).replace(CONSTRUCTOR, f"{CONSTRUCTOR}; {does}")})
    trial.try_out(file, "Net", {}, (3, SIDE, SIDE), 2)
    time.sleep(7)
    assert not mark.exists()


@pytest.mark.slow
def test_a_first_look_has_a_process_of_its_own(pets, places):
    file = write(places / "own", {"train.py": text(NET, TRAINS)})
    net = net_of(text(NET))
    assert_same(import_network(f"{file}:Net", keep(places, net.state_dict()), "pets").name, net)


def scripted(path: Path) -> None:
    torch.jit.save(torch.jit.trace(net_of(text(NET)), torch.zeros(1, 3, SIDE, SIDE)), path)


def bomb(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("data/0", "w", force_zip64=True) as entry,
    ):
        for _ in range(4100):
            entry.write(bytes(1_000_000))


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(5_000_000_000)


def other_class(path: Path) -> None:
    torch.save(tv.squeezenet1_1(num_classes=2).state_dict(), path)


def wide(path: Path) -> None:
    torch.save(net_of(text(NET), width=8).state_dict(), path)


def thousand(path: Path) -> None:
    torch.save(net_of(text(NET), num_classes=1000).state_dict(), path)


def nan(path: Path) -> None:
    net = net_of(text(NET))
    net.conv2.weight.data[0] = torch.nan
    torch.save(net.state_dict(), path)


def rounded(path: Path) -> None:
    torch.save({key: value.int() for key, value in net_of(text(NET)).state_dict().items()}, path)


def unlike(path: Path) -> None:
    """Names as weight norm has them, of shapes that it cannot have."""
    torch.save(
        {"conv2.weight_g": torch.zeros(3), "conv2.weight_v": torch.zeros(2, 5)} | net_of(text(NET)).state_dict(), path
    )


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(net_of(text(NET)).eval(), (torch.zeros(2, 3, SIDE, SIDE),)), path)


def truncated(path: Path) -> None:
    torch.save(net_of(text(NET)).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-400])


def whole(path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(3, 2, 1)), path)


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (
            exported,
            "net.pt2",
            r"(?s)net.pt2 is an exported program, .* could run any code. .* take net-weights.pt and name .* "
            r"code:\nprogram = torch.export.load\('net.pt2'\)\ntorch.save\(dict\(program.state_dict\), 'net-weights.pt'\)",
        ),
        (scripted, "net.pt", "net.pt is TorchScript, which is a program; save model.state_dict"),
        (
            whole,
            "net.pt",
            r"(?s)a whole model.*model = torch.load\('net.pt', weights_only=False\)\ntorch.save\(model.state_dict\(\), 'net-weights.pt'\)",
        ),
        (truncated, "net.pt", "net.pt is damaged, or torch.save did not write it; copy"),
        (lambda path: path.write_text("<!DOCTYPE html>404"), "net.pt", "net.pt is damaged, or torch.save did not"),
        (huge, "net.pt", "net.pt has 5.0 GB, more than the 4 GB of weights that fit"),
        (other_class, "net.pt", "net.pt holds the weights of another network: 1 of Net's 11 names are in it"),
        (
            wide,
            "net.pt",
            "net.pt does not fit Net: conv1.weight is 4×3×3×3 here and 8×3×3×3 in the file; .* and 2 more",
        ),
        (thousand, "net.pt", "its classifier has 1000 outputs, the images have 2 classes"),
        (rounded, "net.pt", "net.pt holds whole numbers for conv1.weight, as quantised weights are"),
        (unlike, "net.pt", "these weights are unexpected: conv2.weight_g, conv2.weight_v"),
        (nan, "net.pt", "net.pt holds NaN or infinite weights in conv2.weight"),
        (lambda path: path.touch(), "net.pt", "net.pt is empty"),
        (lambda path: path.touch(), "net.safetensors", "net.safetensors is empty"),
        (
            lambda path: path.write_bytes(b"\x08" + bytes(99)),
            "net.onnx",
            "net.onnx looks like an ONNX graph; save PyTorch's",
        ),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "net.safetensors", "is a pickle by another name"),
        pytest.param(bomb, "net.pt", "net.pt unpacks to more than 4 GB", marks=pytest.mark.slow),
    ],
)
def test_files_that_hold_no_weights_of_it(pets, places, at_once, make, name, words):
    file, path = write(places / "own", {"net.py": text(NET)}), places / "own" / name
    make(path)
    with pytest.raises(ValueError, match=words):
        import_network(str(file), path, "pets")
    path.unlink()
    assert not list((places / "checkpoints").iterdir())


def test_a_stem_of_another_size_is_named(pets, places, at_once):
    file = write(
        places / "own",
        {"net.py": text(NET).replace("nn.Conv2d(3, width, 3, padding=1)", "nn.Conv2d(3, width, 7, padding=3)")},
    )
    with pytest.raises(ValueError, match="conv1 is 7×7 here and 3×3 in the file: a CIFAR stem"):
        import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets")


@pytest.mark.parametrize("name", ["../evil", 'a"b', "<b>x</b>", "a" * 65, ""])
def test_a_name_is_plain_or_none(pets, places, at_once, name):
    file = write(places / "own", {"net.py": text(NET)})
    state = keep(places, net_of(text(NET)).state_dict())
    if not name:
        assert import_network(str(file), state, "pets", name).name == "net_pets"
        return
    with pytest.raises(ValueError, match="is not plain|longer than 64"):
        import_network(str(file), state, "pets", name)
    assert not list((places / "checkpoints").iterdir())


def test_a_network_that_guesses_says_so(pets, places, at_once):
    file = write(places / "own", {"net.py": text(NET)})
    made = import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets")
    assert "is no better than guessing among 2 classes. Likely: the classes come in another order" in made.warning


def test_only_the_first_images_are_tested_where_all_would_take_long(pets, places, at_once, monkeypatch):
    monkeypatch.setattr(own_networks, "LONG", 0)
    monkeypatch.setattr(own_networks, "ENOUGH", 1)
    monkeypatch.setattr(own_networks, "batch_size_for", lambda shape: 3)
    file = write(places / "own", {"net.py": text(NET)})
    made = import_network(str(file), keep(places, net_of(text(NET)).state_dict()), "pets")
    card = checkpoints.load(made.name).card
    assert made.score.n == card.accuracy["test"].n == 3 and card.test_images == 4


def test_nothing_of_a_file_runs_that_was_not_asked_for(pets, places, at_once):
    """What trains, at top level or in a module beside it, would end the test."""
    files = {"net.py": "import other\n" + text(NET, TRAINS), "other.py": text(TRAINS), "third.py": text(TRAINS)}
    import_network(str(write(places / "own", files)), keep(places, net_of(text(NET)).state_dict()), "pets", "mine")
    kept = (places / "checkpoints" / "mine.code.json").read_text()
    assert "must not run" not in kept and "third" not in kept and students.__name__ not in kept


# Pruned elsewhere


# Networks that somebody made narrower: what is asked for, the narrow network, its arguments, words of the note
NARROW = {
    "a class": ("net.py", lambda: net_of(text(NET), width=3), {}, "pruned elsewhere: conv1 has 3 of 4 channels"),
    "a network of torchvision's, depthwise": (
        "mobilenet_v2", lambda: tv.mobilenet_v2(num_classes=2, width_mult=0.25).eval(), {},
        "features.0.0 has 8 of 32 channels, features.1.conv.0.0 8 of 32, features.1.conv.1 8 of 16",
    ),
    "one of ours": ("ours:simple-cnn", lambda: narrow("simple-cnn", conv1=(3, 5), conv2=(5, 32)), {}, "conv1 has 5 of 16 channels"),
    "another stem and head, too": (
        "resnet18", adapted(lambda net: (both(net), widths.resize(net, {"layer1.0.conv1": (64, 9), "layer1.0.bn1": (9,), "layer1.0.conv2": (9, 64)}))), {},
        "pruned elsewhere: layer1.0.conv1 has 9 of 64 channels",
    ),
    "a head that reads less": (
        "resnet18", adapted(lambda net: (other_head(net), widths.resize(net, {"layer4.0.conv2": (512, 80), "layer4.0.bn2": (80,), "layer4.0.downsample.0": (256, 80), "layer4.0.downsample.1": (80,), "layer4.1.conv1": (80, 512), "layer4.1.conv2": (512, 80), "layer4.1.bn2": (80,), "fc.1": (80, 2)}))), {},
        "pruned elsewhere: layer4.0.conv2 has 80 of 512 channels, layer4.0.downsample.0 80 of 512, layer4.1.conv2 80 of 512",
    ),
}  # fmt: skip


def narrow(name: str, **told: tuple[int, ...]) -> nn.Module:
    torch.manual_seed(0)
    net = building.build(name, (3, SIDE, SIDE), 2).eval()
    widths.resize(net, told)
    return net


@pytest.mark.parametrize("kind", NARROW)
def test_a_network_pruned_elsewhere_keeps_its_widths(pets, places, at_once, kind):
    asked, make, options, words = NARROW[kind]
    net, asked = make(), str(write(places / "own", {asked: text(NET)})) if asked == "net.py" else asked
    made = import_network(asked, keep(places, prefixed("module.")(net)), "pets", "mine", options=options)
    assert words in made.notes[-1]
    card = checkpoints.read_card("mine")
    assert card.widths and card.source.notes == made.notes
    assert_same("mine", net)
    point = checkpoints.load("mine")
    layer = next(name for name, module in point.model.named_modules() if isinstance(module, nn.Conv2d))
    assert not ex.prune(point.model, layer, [0]).get_submodule(layer).weight[0].any()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            lambda net: net.state_dict() | {"conv1.weight": torch.rand(3, 3, 3, 3), "conv1.bias": torch.rand(3)},
            "net.pth is narrower than Net, and does not fit together: bn reads 4 channels in the file, but conv1 writes 3",
        ),
        (
            lambda net: net_of(text(NET), width=3, num_classes=7).state_dict(),
            "net.pth does not fit Net: its classifier has 7 outputs, the images have 2 classes",
        ),
        (
            lambda net: {k: v for k, v in net_of(text(NET), width=3).state_dict().items() if k != "fc.bias"},
            "net.pth does not fit Net: conv1.weight is 4×3×3×3 here and 3×3×3×3 in the file",
        ),
    ],
)  # fmt: skip
def test_weights_pruned_elsewhere_that_contradict_are_one_sentence(pets, places, at_once, state, words):
    file = write(places / "own", {"net.py": text(NET)})
    with pytest.raises(ValueError, match=words):
        import_network(str(file), keep(places, state(net_of(text(NET)))), "pets")
    assert not list((places / "checkpoints").iterdir())


def test_of_a_teacher_and_its_pruned_student_the_one_that_fits_is_taken(pets, places, at_once):
    teacher, student = net_of(text(NET)), net_of(text(NET), width=3)
    state = prefixed("student.")(student) | prefixed("teacher.")(teacher)
    file = write(places / "own", {"net.py": text(NET)})
    with pytest.raises(ValueError, match="several networks that fit"):
        import_network(str(file), keep(places, state), "pets")
    made = import_network(
        str(file), keep(places, {"student": student.state_dict(), "teacher": teacher.state_dict()}), "pets"
    )
    assert_same(made.name, teacher)


def test_a_network_pruned_elsewhere_is_fine_tuned_here(pets, places, at_once):
    file = write(places / "own", {"net.py": text(NET)})
    import_network(str(file), keep(places, net_of(text(NET), width=3).state_dict()), "pets", "mine")
    start = checkpoints.load("mine")
    recipe = replace(finetuning_recipe(start.card), batch_size=2, epochs=1, validation=0.3)
    for _ in train(start.card.model, "pets", recipe, name="tuned", device="cpu", start=start):
        pass
    point = checkpoints.load("tuned")
    assert point.model.conv1.weight.shape == (3, 3, 3, 3) and point.card.parent.name == "mine"
    assert point.card.imported and point.card.source == start.card.source and point.card.epochs == 1
