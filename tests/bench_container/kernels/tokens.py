"""A tokenizer of 2 KiB: a state machine, as a person writes it."""

from draw import Draw

LETTERS = b'abcdefghijklmnopqrstuvwxyz_etaoinetaoin0123456789   \n"+-*/(){};<'


def tokenize(text, counts):
    state = 0
    for c in text:
        if state == 3:
            if c == 34:
                state = 0
            continue
        if 97 <= c <= 122 or c == 95:
            following = 1
        elif 48 <= c <= 57:
            following = 1 if state == 1 else 2
        elif c == 34:
            following = 3
        elif c == 32 or c == 10:
            following = 0
        else:
            following = 4
        if following != state or following == 4:
            counts[following] += 1
        state = following


def run(rounds):
    """The checksum after `rounds` rounds."""
    draw = Draw()
    text = bytearray(2048)
    for i in range(len(text)):
        text[i] = LETTERS[draw.next() & 63]
    counts = [0] * 5
    for _ in range(rounds):
        tokenize(text, counts)
    total = 0
    for count in counts:
        total = (total * 31 + count) & 0xFFFFFFFF
    return total
