"""runir restore A B ... [-o FOLDER]: one picture after the other, each into a file of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from runir.batch.plan import made_from
from runir.batch.text import pictures, printable
from runir.cli.failures import Failure, one_line
from runir.errors import UsageError
from runir.images import EXTENSIONS
from runir.images.messages import line


def check_several(sources: Sequence[Path], output: Path | None) -> None:
    """Refuse what is no list of files, or no folder for their results. Raises UsageError."""
    for source in sources:
        if source.is_dir():
            raise UsageError(line(source, "is a folder", "give files only, or one folder alone"))
    if output is not None and not output.is_dir() and (output.exists() or output.suffix.lower() in EXTENSIONS):
        raise UsageError(line(output, "is the name of a file", "several pictures go into a folder: -o FOLDER"))


def without_results(sources: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files, and those among them that are results of others (NAME.restored.EXT beside NAME.EXT): a shell's *.jpg
    names both."""
    there = {(source.parent, source.stem) for source in sources}
    results = [s for s in sources if (s.parent, made_from(s.name)) in there]
    return [s for s in sources if s not in results], results


def run_several(
    sources: Sequence[Path], target: Callable[[Path], Path], restore: Callable[[Path], None], as_json: bool
) -> int:
    """Restore all that can be: a picture that cannot does not stop the others. Returns the exit code.

    target: where the result of a file goes. restore: restores one file and prints what was done.
    Raises UsageError before any work when two files would have the same result, or a result would replace an input.
    """
    sources, results = without_results(list(dict.fromkeys(sources)))
    originals = {source.resolve() for source in sources}
    taken: dict[Path, Path] = {}
    for source in sources:
        other = taken.setdefault(target(source).resolve(), source)
        if target(source).resolve() in originals:
            raise UsageError(line(source, "its result would replace another input", "choose another folder with -o"))
        if other != source:
            what = f"its result would have the same name as that of {printable(str(other))}"
            raise UsageError(line(source, what, "restore them one at a time"))
    if results and not as_json:
        print(f"note: {len(results):,} left out: results of others (NAME.restored.EXT beside NAME.EXT)")
    failed = 0
    for source in sources:
        try:
            restore(source)
        except BrokenPipeError:  # nobody reads on: that is no fault of the picture
            raise
        except Failure as error:
            failed += 1
            print(f"runir: {one_line(error)}", file=sys.stderr, flush=True)
            if as_json:
                print(json.dumps({"input": str(source), "error": one_line(error)}, ensure_ascii=False), flush=True)
    if failed:
        print(f"{pictures(len(sources) - failed)} restored, {failed:,} failed", file=sys.stderr)
    return 1 if failed else 0
