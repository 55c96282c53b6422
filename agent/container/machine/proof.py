"""The machine's self-test, before any job: a program whose answer is known."""


def works(machine):
    return True
