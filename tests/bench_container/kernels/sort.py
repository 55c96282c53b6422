"""Heapsort of 512 words, as a person writes it."""

from array import array

from draw import Draw

COUNT = 512


def sift(heap, at, count):
    value = heap[at]
    while True:
        child = 2 * at + 1
        if child >= count:
            break
        if child + 1 < count and heap[child] < heap[child + 1]:
            child += 1
        if heap[child] <= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value


def run(rounds):
    """The checksum after `rounds` rounds."""
    draw = Draw()
    data = [draw.next() for _ in range(COUNT)]
    heap = array("I", bytes(4 * COUNT))
    total = 0
    while rounds:
        rounds -= 1
        for i in range(COUNT):
            heap[i] = data[i] ^ rounds
        for i in range(COUNT // 2 - 1, -1, -1):
            sift(heap, i, COUNT)
        for i in range(COUNT - 1, 0, -1):
            heap[0], heap[i] = heap[i], heap[0]
            sift(heap, 0, i)
        for value in heap:
            total = (total * 31 + value) & 0xFFFFFFFF
    return total
