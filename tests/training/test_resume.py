"""Stopped and resumed runs equal uninterrupted ones, bit for bit; checkpoints stay whole."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from runir.errors import RunirError, UsageError
from runir.training.checkpoint import load_tensors, save_tensors
from runir.training.run import run_training
from tiny import RECIPE, same, train


def test_resumed_equals_never_stopped(project: Path) -> None:
    whole = train(project, "whole")
    script = "import sys; from runir.cli.main import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        script,
        "train",
        str(project / "tiny.toml"),
        "--data",
        str(project / "data"),
    ]
    command += ["--out", str(project / "killed"), "--allocator", "system"]
    # Killed without warning as soon as the checkpoint of step 4 or 8 is there.
    process = subprocess.Popen([*command, "--set", "schedule.steps=12"], stdout=subprocess.DEVNULL)
    checkpoint = project / "killed" / "checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert load_tensors(checkpoint)[1]["step"] < 12
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    assert same(whole, project / "killed" / "weights.safetensors")
    assert same(project / "whole" / "checkpoint.safetensors", checkpoint)


def test_interrupt_saves_and_says_so(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from runir.training.loop import Trainer

    steps = Trainer.train_step

    def interrupted(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        self._stop = self.step == 5  # as the first Ctrl-C does
        return steps(self, degraded, clean)

    def torn(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        result = steps(self, degraded, clean)
        if self.step == 8:  # as the second Ctrl-C does: half of the step is done
            raise KeyboardInterrupt
        return result

    whole = train(project, "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(project, "stopped")
        patch.setattr(Trainer, "train_step", torn)
        with pytest.raises(KeyboardInterrupt):
            train(project, "stopped", resume=True)
    out = capsys.readouterr().out
    assert "interrupted at step 6: saved" in out
    assert "stopped at once; the last checkpoint stands" in out
    assert same(whole, train(project, "stopped", resume=True))
    assert (project / "stopped" / "validation.csv").read_text() == (project / "whole" / "validation.csv").read_text()


@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM to all its processes"])
def test_signals_stop_between_steps(stop: str, project: Path) -> None:
    settings = ["schedule.steps=200", "validation.every=0", "data.workers=1"]
    whole = train(project, "whole", *settings)
    script = "import sys; from runir.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "train", str(project / "tiny.toml"), "--data", str(project / "data")]
    command += ["--out", str(project / "stopped"), "--allocator", "system"]
    command += [word for setting in settings for word in ("--set", setting)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    checkpoint = project / "stopped" / "checkpoint.safetensors"
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    if stop == "SIGINT":
        process.send_signal(signal.SIGINT)
    else:
        os.killpg(process.pid, signal.SIGTERM)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "saved; go on with --resume" in out
    assert "Traceback" not in error
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    assert same(whole, project / "stopped" / "weights.safetensors")


def test_resuming_with_other_folders_is_refused(project: Path) -> None:
    train(project, "run")
    (project / "other").mkdir()
    (project / "other" / "a.png").write_bytes((project / "data" / "p0.png").read_bytes())
    with pytest.raises(UsageError, match="leave --data out"):
        run_training(project / "tiny.toml", [project / "other"], project / "run", resume=True)


def test_a_damaged_checkpoint_is_refused(project: Path) -> None:
    train(project, "run")
    path = project / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunirError, match="damaged"):
        train(project, "run", resume=True)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.safetensors"
    save_tensors({"a": torch.ones(3)}, {"step": 1}, path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runir.images.place.os.fsync", full)
    with pytest.raises(RunirError, match=r"c\.safetensors: disk full"):
        save_tensors({"a": torch.zeros(3)}, {"step": 2}, path)
    assert load_tensors(path)[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_run_folder_is_not_overwritten(project: Path) -> None:
    train(project, "run")
    with pytest.raises(UsageError, match="--resume"):
        train(project, "run")


def test_hours_become_steps_once(project: Path) -> None:
    seconds = 3.0
    (project / "tiny.toml").write_text(RECIPE.replace("steps = 12", f"hours = {seconds / 3600}"))
    begun = time.monotonic()
    train(project, "run", "validation.every=0")
    spent = time.monotonic() - begun
    state = load_tensors(project / "run" / "checkpoint.safetensors")[1]
    assert state["step"] == state["total"] > 4  # on a busy machine; some 200 on an idle one
    assert spent < 60
    # The timed steps are undone: a run of as many steps gives the same weights.
    again = train(project, "again", "validation.every=0", f"schedule.steps={state['total']}")
    assert same(project / "run" / "weights.safetensors", again)
