"""FNV-1a of 1 KiB, 64 bits: long integers, as a person writes it."""

from draw import Draw


def fnv(data, h):
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def run(rounds):
    """The checksum after `rounds` rounds."""
    draw = Draw()
    data = bytearray(1024)
    for i in range(len(data)):
        data[i] = draw.next() & 255
    h = 0xCBF29CE484222325
    for _ in range(rounds):
        h = fnv(data, h)
    return (h ^ h >> 32) & 0xFFFFFFFF
