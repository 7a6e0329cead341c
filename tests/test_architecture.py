"""The house's rules, held against the imports: data flows one way, and only the pages know Streamlit."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = (
    "data", "store", "augmentation", "models", "graph", "evaluation", "checkpoints", "recipes", "training",
    "activations", "ranking", "pruning", "schedule", "plan", "oracle", "remainder", "sweep", "experiment", "results",
    "labs", "scan", "benchmark", "charts", "figures", "report", "jobs", "processes", "trainings", "own_folder",
    "own_images", "own_networks", "cli",
)  # fmt: skip
MODULES = sorted(path for path in (ROOT / "explorer").glob("*.py") if not path.name.startswith("__"))
PAGES = sorted((ROOT / "explorer" / "app_pages").glob("*.py"))


def imported(path: Path) -> set[str]:
    """Dotted names of everything a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(path: Path) -> set[str]:
    """Modules of `explorer` that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("explorer.")}


def test_every_module_has_its_place():
    assert sorted(ORDER) == [path.stem for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_only_from_those_above_it(path):
    assert own(path) <= set(ORDER[: ORDER.index(path.stem)])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_pages_know_streamlit(path):
    assert not any(name.split(".")[0] == "streamlit" for name in imported(path))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_pages_do_not_import_the_command_line(path):
    assert "cli" not in own(path)


def test_every_module_has_its_tests():
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert set(ORDER) <= tests


def test_matplotlib_is_used_without_its_global_state():
    for path in [*MODULES, *PAGES]:
        assert "matplotlib.pyplot" not in {name.rsplit(".", 1)[0] for name in imported(path)} | imported(path)
