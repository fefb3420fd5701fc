"""The house: who may import whom, what is light, and what the package says of itself."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import runir

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "runir"

MAY_IMPORT = {
    "images": set(),
    "deconvolution": {"degradations"},
    "weights": set(),
    "degradations": set(),
    "models": {"deconvolution", "weights"},
    "inference": {"images", "weights", "deconvolution", "models"},  # models: the PyTorch engine, inside its constructor
    "inspection": {"images", "weights", "inference"},
    "evaluation": {"images", "weights", "degradations", "inference"},
    "data": {"images", "degradations", "deconvolution"},
    "training": {"images", "models", "data", "evaluation", "degradations", "deconvolution", "weights"},
    "api": {"images", "weights", "inference", "inspection"},
    "batch": {"images", "weights", "inference", "inspection", "api"},
    "doctor": {"images", "weights", "inference", "api"},
    "benchmark": {"images", "weights", "degradations", "inference", "evaluation", "doctor"},
    "cli": {
        "api",
        "batch",
        "benchmark",
        "doctor",
        "images",
        "weights",
        "degradations",
        "models",
        "inference",
        "inspection",
        "evaluation",
        "data",
        "training",
    },
}
EVERYWHERE = {"errors", "config", "_version"}
TORCH = {"torch", "accelerate", "safetensors"}
TORCH_ROOMS = {"models", "training", "data"}


def imports(path: Path) -> set[tuple[str, bool]]:
    """(module, whether it is imported when the file is) for each import statement of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, id(node) not in inside) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add((node.module, id(node) not in inside))
            found |= {(f"{node.module}.{a.name}", id(node) not in inside) for a in node.names if node.module == "runir"}
    return found


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    allowed = MAY_IMPORT.get(here, set()) | EVERYWHERE | {here}
    for module, at_once in imports(path):
        head, _, rest = module.partition(".")
        if head == "runir" and rest:
            assert rest.split(".")[0] in allowed, f"{here} must not import {module}"
            if (here, rest.split(".")[0]) == ("inference", "models"):
                assert not at_once, f"{path}: {module} needs PyTorch; import it where it is used"
        if head in TORCH and here not in TORCH_ROOMS:
            assert not at_once, f"{here} must not import {module} at module level"


def test_every_room_is_listed() -> None:
    rooms = {p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms <= set(MAY_IMPORT)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_is_quick_and_light() -> None:
    code = "import sys, time; t = time.perf_counter(); import runir; print(time.perf_counter() - t, *sys.modules)"
    runs = [python(code).split() for _ in range(3)]
    assert min(float(run[0]) for run in runs) < 0.3
    assert not {"numpy", "torch", "openvino", "PIL"} & set(runs[0])


def test_restoring_loads_no_pytorch() -> None:
    code = "import runir, sys, numpy; runir.Restorer()(numpy.zeros((4, 4, 3), 'f')); print('torch' in sys.modules)"
    assert python(code).strip() == "False"


def test_the_version_is_stated_once() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert project["dynamic"] == ["version"]
    assert runir.__version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert (SOURCE / "py.typed").exists()
    assert set(runir.__all__) <= set(dir(runir))
    assert all(getattr(runir, name) is not None for name in runir.__all__)


def test_files_are_short_enough_to_read() -> None:
    long = {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text("utf-8").splitlines())) > 320}
    assert long == {}
