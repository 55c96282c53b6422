"""CRC-32 of 2 KiB by a table, as a person writes it."""

from array import array

from draw import Draw


def crc32(table, data, crc):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def run(rounds):
    """The checksum after `rounds` rounds."""
    table = array("I", bytes(4 * 256))
    for i in range(256):
        c = i
        for _ in range(8):
            c = 0xEDB88320 ^ c >> 1 if c & 1 else c >> 1
        table[i] = c
    draw = Draw()
    data = bytearray(2048)
    for i in range(len(data)):
        data[i] = draw.next() & 255
    crc = 0
    for _ in range(rounds):
        crc = crc32(table, data, crc)
    return crc
