"""`make firmware`: builds the package and says what it made."""

import hashlib
import sys

from . import build


def main():
    """Builds build/firmware/*.ipk; prints its path, size and hash."""
    out = build.REPOSITORY / "build" / "firmware"
    work = out / "modules"
    try:
        target = build.package(out, work)
    except (build.BuildError, ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    data = target.read_bytes()
    modules = sum(path.stat().st_size for path in work.rglob("*.mpy"))
    print(f"{target.relative_to(build.REPOSITORY)}: {len(data)} bytes, {modules} of modules unpacked")
    print(f"sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
