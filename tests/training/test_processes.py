"""Several processes, and batches in parts, train as one process with whole batches does.

Sums are taken in another order, and Muon's rounding to bf16 amplifies that: weights agree to 5%, which is less than a
tenth of what another seed changes; scores to 0.05 dB.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from runir.errors import UsageError
from runir.training.checkpoint import load_tensors
from runir.training.loop import Trainer
from tiny import train

WORKER = Path(__file__).parent / "worker.py"
LOGGED = ("step", "loss", "grad")


def two(project: Path, out: str, *assignments: str, resume: bool = False, stop: int | None = None) -> str:
    """Train on two processes and return what they print."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    words = [str(project / "tiny.toml"), str(project / "data"), str(project / out), assignments, resume, stop]
    done = subprocess.run(
        [*command, "--local-addr=127.0.0.1", str(WORKER), *map(json.dumps, words)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(project: Path, out: str) -> dict[str, Tensor]:
    return load_tensors(project / out / "weights.safetensors")[0]


def distances(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, float]:
    assert ours.keys() == theirs.keys()
    return {name: float((ours[name] - t).norm() / t.norm()) for name, t in theirs.items()}


def scores(project: Path, out: str) -> list[float]:
    with (project / out / "validation.csv").open() as file:
        return [float(value) for row in csv.DictReader(file) for value in row.values()]


def logged(text: str) -> dict[str, list[float]]:
    """Numbers of the lines of the log, by the word before them."""
    lines = [line for line in text.splitlines() if " loss " in line]
    return {word: [float(line.split(f"{word} ")[1].split(" ")[0].split("/")[0]) for line in lines] for word in LOGGED}


def same_log(ours: str, theirs: str) -> None:
    left, right = logged(ours), logged(theirs)
    assert left["step"] == right["step"]
    assert left["loss"] == pytest.approx(right["loss"], rel=0.01)
    assert left["grad"] == pytest.approx(right["grad"], rel=0.01, abs=1.1e-3)  # printed with three digits


def stop_one_process(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    steps = Trainer.train_step

    def stopped(self: Trainer, *batch: Tensor) -> tuple[Tensor, Tensor]:
        self._stop = self.step == step
        return steps(self, *batch)

    monkeypatch.setattr(Trainer, "train_step", stopped)


def test_two_processes_train_log_and_score_as_one(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(project, "one")
    alone = capsys.readouterr().out
    text = two(project, "two")
    assert text.count("12 steps, from 0") == 1  # only one process talks
    assert logged(alone)["step"] == [5, 6, 10, 12]
    same_log(text, alone)
    assert scores(project, "two") == pytest.approx(scores(project, "one"), abs=0.05)
    train(project, "other", "seed=4")
    other = distances(weights(project, "other"), weights(project, "one"))
    for name, distance in distances(weights(project, "two"), weights(project, "one")).items():
        assert distance < min(0.05, 0.1 * other[name]), name


def test_two_processes_share_out_what_the_exposure_curve_sees(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ("input", "target"):
        (project / "data" / side).mkdir()
    for path in (project / "data").glob("*.png"):
        with Image.open(path) as image:
            image.save(project / "data" / "target" / path.name)
            image.point([v // 4 for v in range(256)] * 3).save(project / "data" / "input" / path.name)
    settings = [
        "model.network.exposure=true",
        "data.kind='pairs'",
        "schedule.steps=3",
        "curve.steps=3",
        "log_every=1",
        "validation.every=0",
    ]
    train(project, "one", *settings)
    alone = capsys.readouterr().out
    text = two(project, "two", *settings)
    assert logged(alone)["step"] == [1, 2, 3]
    same_log(text, alone)
    ours, theirs = weights(project, "two"), weights(project, "one")
    assert any(name.startswith("exposure.") for name in theirs)
    assert max(distances(ours, theirs).values()) < 0.05


@pytest.mark.parametrize("first", ["one", "two"])
def test_a_run_is_resumed_on_another_number_of_processes(
    first: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(project, "whole")
    if first == "two":  # one of them is asked to stop, both do
        text = two(project, "run", stop=6)
        assert "interrupted at step 7: saved" in text
        assert text.count("this process stopped") == 2
        train(project, "run", resume=True)
    else:
        stop_one_process(monkeypatch, 6)
        with pytest.raises(KeyboardInterrupt):
            train(project, "run")
        assert "12 steps, from 7" in two(project, "run", resume=True)
    assert scores(project, "run") == pytest.approx(scores(project, "whole"), abs=0.05)
    assert max(distances(weights(project, "run"), weights(project, "whole")).values()) < 0.05


@pytest.mark.parametrize(("processes", "optimiser"), [(1, "adamw"), (1, "muon"), (2, "muon")])
def test_batches_in_parts_train_as_whole_ones(
    processes: int, optimiser: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without batch norms (or with frozen ones): a norm measures the part that it sees."""
    settings = ["optim.norms=false", f"optim.optimiser={optimiser!r}", "schedule.steps=6",
                "schedule.phases=[{share = 1, batch = 8, patch = 16}]"]  # fmt: skip
    train(project, "whole", *settings)
    whole = capsys.readouterr().out
    if processes == 1:
        train(project, "parts", *settings, "schedule.accumulate=4")
        parts = capsys.readouterr().out
    else:
        parts = two(project, "parts", *settings, "schedule.accumulate=4")
    # Loss and gradient are sums over the same samples; Adam and Muon would hide a wrong scale.
    same_log(parts, whole)
    assert scores(project, "parts") == pytest.approx(scores(project, "whole"), abs=0.05)
    assert max(distances(weights(project, "parts"), weights(project, "whole")).values()) < 0.05


def test_batches_that_cannot_be_shared_out_are_refused(project: Path) -> None:
    with pytest.raises(UsageError, match=r"multiple of schedule\.accumulate = 4"):  # the second phase has 2
        train(project, "run", "schedule.accumulate=4")
    assert not (project / "run").exists()
