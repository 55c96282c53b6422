"""`make firmware`: builds the packages and the feed, and says what it made.

    python -m backfence.firmware_pkg            packages and feed, into build/firmware
    python -m backfence.firmware_pkg key FILE   a new key pair that signs a feed: FILE and FILE.pub

SOURCE_DATE_EPOCH is the release's time; without it, that of the last commit.
FEED_KEY names the key file that signs the feed; without it, a lab key does.
"""

import hashlib
import os
import sys
from pathlib import Path

from . import build, debian, feed, openwrt, sdk, usign

OUT = build.REPOSITORY / "build" / "firmware"
LAB_KEY = build.REPOSITORY / "build" / "feed-lab.key"


def make_key(path):
    """Writes a new key pair: the secret one to `path`, the public one to `path`.pub."""
    if Path(path).resolve().is_relative_to(build.REPOSITORY):
        raise usign.UsignError(f"{path} lies in the source tree: keep a key that signs firmware elsewhere")
    key = usign.Key.make()
    key.save(path)
    Path(f"{path}.pub").write_bytes(key.public_file())
    print(f"{path}: keep it secret; {path}.pub goes to each box as /etc/opkg/keys/{key.number.hex()}")


def build_all():
    """Builds all of build/firmware that is the same for every processor; returns the files."""
    epoch = build.epoch()
    key, note = feed.signing_key(os.environ.get("FEED_KEY", ""), LAB_KEY)
    work = build.REPOSITORY / "build" / "firmware-work"
    for old in OUT.glob("backfence_*"):
        old.unlink()  # another version's, which the index would not name
    compiled = openwrt.modules(work / "modules", epoch)
    package = openwrt.package(OUT, compiled, epoch)
    index = feed.write(OUT, [package], key)
    sdk.write(OUT / "openwrt", openwrt.entries(compiled, epoch), epoch)
    made = [package, index, debian.package(OUT, work / "debian", compiled, epoch)]
    if note:
        print(f"Note: {note}", file=sys.stderr)
    return made


def main(argv):
    """Runs one of the commands above; the exit code."""
    try:
        if len(argv) == 2 and argv[0] == "key":
            make_key(argv[1])
            return 0
        if argv:
            print("usage: python -m backfence.firmware_pkg [key FILE]", file=sys.stderr)
            return 2
        for path in build_all():
            data = path.read_bytes()
            name = path.relative_to(build.REPOSITORY)
            print(f"{name}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
        print(f"{(OUT / 'openwrt').relative_to(build.REPOSITORY)}: a feed folder for OpenWrt's SDK")
    except (build.BuildError, usign.UsignError, ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
