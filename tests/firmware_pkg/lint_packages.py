"""`make lint-packages`: Debian's lintian on the Debian package.  It takes 120 packages more, so CI does without.

    lint_packages.py
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# What a package of Debian's own must have, and one for a lab need not: a bug it closes.
SUPPRESSED = ("initial-upload-closes-no-bugs",)


def main():
    """Runs lintian, installing it if this is root; exits with its verdict."""
    if shutil.which("lintian") is None:
        if os.geteuid() != 0:
            sys.exit("Error: lintian is missing; install it: sudo apt-get install lintian")
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for words in (["update"], ["install", "-y", "--no-install-recommends", "lintian"]):
            run = subprocess.run(["apt-get", "-q", *words], capture_output=True, text=True, env=environment)
        if run.returncode:
            sys.exit(f"Error: apt-get install lintian: {run.stderr.strip().splitlines()[-1]}")
    packages = sorted((REPOSITORY / "build/firmware").glob("*.deb"))
    if not packages:
        sys.exit("Error: there is no package in build/firmware: run `make firmware`")
    root = ["--allow-root"] if os.geteuid() == 0 else []
    command = ["lintian", *root, "--fail-on", "error,warning", "--suppress-tags", ",".join(SUPPRESSED), *packages]
    code = subprocess.run(command).returncode
    if code == 0:
        print("lintian finds nothing:", *(path.name for path in packages))
    sys.exit(code)


if __name__ == "__main__":
    main()
