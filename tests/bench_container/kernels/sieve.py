"""The primes below 4096, by the sieve of Eratosthenes, as a person writes it."""

SIZE = 4096


def sieve(crossed):
    total = 0
    for i in range(SIZE):
        crossed[i] = 0
    for i in range(2, SIZE):
        if crossed[i]:
            continue
        total += i
        for j in range(i * i, SIZE, i):
            crossed[j] = 1
    return total


def run(rounds):
    """The checksum after `rounds` rounds."""
    crossed = bytearray(SIZE)
    total = 0
    for _ in range(rounds):
        total = (total * 3 + sieve(crossed)) & 0xFFFFFFFF
    return total
