"""One process of a training run, started by torchrun: `worker.py RECIPE DATA OUT ASSIGNMENTS RESUME STOP` (JSON words).

Asked to stop (as by a signal) in step STOP, where it is a number, but only the last process is.
"""

import json
import os
import sys
from pathlib import Path

from torch import Tensor

from runir.training.loop import Trainer
from runir.training.run import run_training

recipe, data, out, assignments, resume, stop = (json.loads(word) for word in sys.argv[1:])
steps = Trainer.train_step


def stopped(self: Trainer, degraded: Tensor, clean: Tensor, *cells: Tensor) -> tuple[Tensor, Tensor]:
    last = os.environ["RANK"] == str(int(os.environ["WORLD_SIZE"]) - 1)
    self._stop = self._stop or (self.step == stop and last)
    return steps(self, degraded, clean, *cells)


Trainer.train_step = stopped  # type: ignore[method-assign]
try:
    run_training(Path(recipe), [Path(data)], Path(out), assignments, resume)
except KeyboardInterrupt:
    print("this process stopped")
