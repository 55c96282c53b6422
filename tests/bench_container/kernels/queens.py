"""How many ways six queens stand on a board of 6 by 6: calls, as a person writes it."""


def place(columns, left, right):
    if columns == 63:
        return 1
    ways = 0
    free = 63 & ~(columns | left | right)
    while free:
        bit = free & -free
        free ^= bit
        ways += place(columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return ways


def run(rounds):
    """The checksum after `rounds` rounds."""
    total = 0
    while rounds:
        rounds -= 1
        total = (total * 31 + place(0, 0, 0) + rounds) & 0xFFFFFFFF
    return total
