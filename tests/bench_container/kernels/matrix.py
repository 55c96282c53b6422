"""The product of two matrices of 20 by 20 integers, as a person writes it."""

from array import array

from draw import Draw

N = 20


def multiply(a, b, c):
    for i in range(N):
        row = a[i]
        out = c[i]
        for j in range(N):
            total = 0
            for k in range(N):
                total += row[k] * b[k][j]
            out[j] = total


def run(rounds):
    """The checksum after `rounds` rounds."""
    draw = Draw()
    a, b, c = ([array("i", bytes(4 * N)) for _ in range(N)] for _ in range(3))
    for i in range(N):
        for j in range(N):
            a[i][j] = (draw.next() & 1023) - 512
            b[i][j] = (draw.next() & 1023) - 512
    total = 0
    while rounds:
        rounds -= 1
        multiply(a, b, c)
        for i in range(N):
            total = (total * 31 + c[i][i]) & 0xFFFFFFFF
            a[i][rounds % N] = (total >> 22) - 512
    return total
