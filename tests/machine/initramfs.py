"""The machine's first files: busybox, kernel modules, an init that waits to be told."""

HEADER = b"070701"
DIRECTORY, FILE, LINK, DEVICE = 0o040755, 0o100644, 0o120777, 0o020600
PROGRAM = 0o100755

# Until READY nothing of the disks and of the network is touched, and the kernel has no
# randomness yet: the machine's state is saved there once, and every boot goes on from it.
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /tmp
stty -F /dev/ttyAMA0 -echo -onlcr
for name in $(cat /lib/order); do
    case $name in virtio_*) ;; *) insmod /lib/$name.ko ;; esac
done
ip link set lo up
echo READY
read -r now
for name in $(cat /lib/order); do
    case $name in virtio_*) insmod /lib/$name.ko ;; esac
done
date -s "@$now" >/dev/null
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
mount -o ro /dev/vdb /rom
echo STARTED
# No shell of its own: one on a console edits its line, and echoes it.
while read -r line; do eval "$line"; done
"""


class Cpio:
    """An archive in cpio's "newc" form."""

    def __init__(self):
        self.data = bytearray()
        self.number = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        """Adds an entry; a link's data is its target.  device: (major, minor)."""
        self.number += 1
        name = name.encode() + b"\0"
        fields = (self.number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        self.data += HEADER + b"".join(b"%08X" % field for field in fields) + name
        self.data += bytes(-len(self.data) % 4) + data
        self.data += bytes(-len(self.data) % 4)

    def finish(self):
        """The archive's bytes."""
        self.add("TRAILER!!!", 0)
        return bytes(self.data)


def build(parts):
    """The initramfs (bytes) made of a folder of parts.provide()."""
    made = Cpio()
    for name in ("bin", "dev", "proc", "sys", "tmp", "lib", "rom", "flash"):
        made.add(name, DIRECTORY)
    made.add("dev/console", DEVICE, device=(5, 1))
    made.add("bin/busybox", PROGRAM, (parts / "busybox").read_bytes())
    made.add("bin/sh", LINK, b"busybox")
    for path in sorted((parts / "modules").iterdir()):
        made.add(f"lib/{path.name}", FILE, path.read_bytes())
    made.add("init", PROGRAM, INIT.encode())
    return made.finish()
