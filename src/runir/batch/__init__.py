"""Many pictures: a folder is planned, restored in overlapping steps, recorded file by file, and resumed.

>>> from runir.batch import restore_folder
>>> from runir.batch.pictures import picture_worker
>>> summary = restore_folder("photos", "restored", picture_worker(task="denoise"), recursive=True)
"""

from runir.batch.pipeline import Jobs
from runir.batch.run import restore_folder
from runir.batch.state import State, Summary
from runir.batch.worker import Done, Tick, Worker

__all__ = ["Done", "Jobs", "State", "Summary", "Tick", "Worker", "restore_folder"]
