"""Commands of a build, what they say kept in a log."""

import os
import re
import subprocess
import sys
from pathlib import Path

from .processors import BuildError


def run(command, folder, log, **environment):
    """Runs a command (a list; make is given the machine's cores) in `folder`.

    What it says goes to the end of the file `log`; BuildError names that and the first error.
    """
    if command[0] == "make":
        command = ["make", f"-j{os.cpu_count() or 1}", *command[1:]]
    log = Path(log)
    before = log.stat().st_size if log.exists() else 0
    # A calling make's flags and targets, a caller's compiler flags, are not this build's.
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"
    with log.open("ab") as output:
        done = subprocess.run(
            [str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, env={**kept, "LC_ALL": "C", **environment},
        )
    if done.returncode:
        with log.open("rb") as file:
            file.seek(before)
            lines = file.read().decode(errors="replace").splitlines()
        words = [line for line in lines if re.search(r"rror:|undefined reference|\*\*\*", line)] or lines[-1:]
        raise BuildError(f"{Path(str(command[0])).name} failed: {(words or ['it said nothing'])[0].strip()}; see {log}")


def answer(command):
    """What a command prints, without its line's end.  BuildError."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise BuildError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
