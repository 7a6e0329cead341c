"""Pages run in process: to open one, to let it settle, and to read what it says."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from explorer.app import languages, work
from explorer.background.processes import Queue
from explorer.background.records import Request
from explorer.files.places import checkpoints_root
from explorer.language.catalogue import ENGLISH
from explorer.language.saying import speaking
from explorer.training import trainings
from explorer.training.recipes import RECIPES, Recipe

ENTRY = str(Path(__file__).parent.parent / "streamlit_app.py")
BUNDLED = "simple-cnn_fashion-mnist"
PAGES = ["prune", "activations", "sweep", "compare", "scan", "model"]
PATIENCE = 300  # seconds


def settle(at: AppTest) -> AppTest:
    """Run until no background work shows: what the browser's polling does."""
    end = time.monotonic() + PATIENCE
    _run(at)
    while at.progress and time.monotonic() < end:
        time.sleep(0.3)
        _run(at)
    assert not at.exception, at.exception[0].message
    assert not at.progress, "still working"
    return at


def _run(at: AppTest) -> None:
    """Run the page; what it is told of its selectboxes are their words, which are in the language that it spoke."""
    spoken = at.session_state[languages.KEY] if languages.KEY in at.session_state else ENGLISH  # noqa: SIM401
    with speaking(spoken):
        at.run()


def visit(page: str = "prune", **link: str | list[str]) -> AppTest:
    """Open a page by a link to it."""
    at = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
    for name, value in link.items():
        at.query_params[name] = value
    if page != "prune":
        at.switch_page(f"explorer/app/pages/{page}.py")
    return settle(at)


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def metrics(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def prune_link(at: AppTest) -> dict[str, str]:
    """What the pickers of the sidebar stand at."""
    return {box.key: box.value for box in at.sidebar.selectbox} | {
        box.key: box.value for box in at.sidebar.button_group
    }


def captions(at: AppTest) -> str:
    return " ".join(caption.value for caption in at.caption)


def layer_link(at: AppTest):
    """The link that leads from a layer to Prune."""
    (link,) = (link.proto for link in at.get("page_link") if "channel by channel" in link.proto.label)
    return link


def restart():
    """Forget what this process has computed."""
    work.jobs.clear()


def without_data(monkeypatch, tmp_path) -> None:
    """A machine that has a CIFAR-10 network but not CIFAR-10, where nobody has tried to download it yet."""
    work.jobs.clear()
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in (BUNDLED, "simple-cnn_cifar10"):
        for suffix in (".safetensors", ".json"):
            shutil.copy(checkpoints_root() / f"{name}{suffix}", folder)
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(folder))
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


def look(at: AppTest | None = None) -> AppTest:
    """The Train page as it is now, whether or not something trains."""
    if at is None:
        at = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
        at.switch_page("explorer/app/pages/train.py")
    at.run()
    assert not at.exception, at.exception[0].message
    return at


def stand_in(name: str, program: str = "", recipe: Recipe | None = None, **run) -> None:
    """A training of that name: a process that runs a Python program, or one that ended as `run` says."""
    about = {"model": "simple-cnn", "dataset": "fashion-mnist", "description": ""}
    about["recipe"] = asdict(recipe or RECIPES["simple-cnn"])
    queue = trainings.queue()
    if program:
        Queue(queue.folder, ("-c",)).submit(name, Request([program], about, "x"))
        return
    (queue.folder / name).mkdir(parents=True)
    request = {"arguments": [], "about": about, "result": "x"}
    for file, content in (("request", request), ("run", {"queued": time.time(), "started": 1.0, **run})):
        (queue.folder / name / f"{file}.json").write_text(json.dumps(content))


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def badges(at: AppTest) -> list[str]:
    return [text.value for text in at.markdown if "badge" in text.value]


def change(at: AppTest, point: str, **values: str) -> AppTest:
    """Fill in the form of a network and save."""
    for field, value in values.items():
        at.text_input(key=f"{field} of {point}").set_value(value)
    next(button for button in at.button if button.label == "Save").click()
    return settle(at)


FIELDS = ("selectbox", "text_input", "number_input", "checkbox", "button_group")


def fill(at: AppTest, name: str, value: Any) -> None:
    """Fill a field of the forms for what is one's own."""
    key = f"own {name.replace('_', ' ')}"
    (widget,) = [each for kind in FIELDS for each in at.get(kind) if each.key == key]
    widget.set_value(value)


def import_form(at: AppTest, submit: str, **fields: Any) -> AppTest:
    """Fill the fields of a form in the expander and submit it."""
    at.session_state["own"] = True
    settle(at)
    for name, value in fields.items():
        fill(at, name, value)
    if submit == "Import network":
        settle(at)  # which checks what was chosen before it can be imported
    next(button for button in at.button if button.label == submit).click()
    return settle(at)
