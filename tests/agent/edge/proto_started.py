"""What the launcher says to an agent, and the beat that it hears of it."""

import os
import sys

from backfence.agent import slots
from backfence.agent.edge import started

PATH = "/tmp/backfence-beat-" + os.urandom(6).hex()


class Environment:
    """Stands in for os.getenv."""

    def __init__(self, **words):
        self.words = words

    def __getattr__(self, name):
        return getattr(os, name)

    def getenv(self, name):
        return self.words.get(name)


def told(look, **words):
    """look() where the launcher said this."""
    started.os = Environment(**words)
    try:
        return look()
    finally:
        started.os = os


def test_what_runs():
    assert told(started.running) is None
    assert told(started.running, BACKFENCE_RUNS="c") is None
    for word, slot in (("packaged", slots.PACKAGED), ("a", slots.SLOT_A), ("b", slots.SLOT_B)):
        assert told(started.running, BACKFENCE_RUNS=word).slot == slot


def test_what_can_run_here():
    archives = ["mpy6"] if sys.implementation.name == "micropython" else []
    assert told(started.components) == archives and not started.is_frozen()
    inside = told(started.components, BACKFENCE_FROZEN="1")
    assert inside[:-1] == archives
    assert inside[-1] in ("amd64", "arm64", "armhf", "i386", "mips", "mipsel", "riscv64", "s390x")


def read():
    file = open(PATH)
    try:
        return int(file.read())
    finally:
        file.close()


def test_the_beat_rises():
    file = open(PATH, "w")
    file.write("0\n")
    file.close()
    beat = told(lambda: started.Beat(PATH), BACKFENCE_BEAT_S="10")
    seen = []
    for now_ms in (5, 9000, 10004, 10005, 19000, 20005):
        assert beat.beat(now_ms)
        seen.append(read())
    os.remove(PATH)
    assert seen == [5, 5, 5, 10005, 10005, 20005]


def test_a_beat_that_cannot_be_written_is_said_and_makes_no_file():
    beat = told(lambda: started.Beat(PATH), BACKFENCE_BEAT_S="1")
    assert not beat.beat(1) and beat.beat(2) and not beat.beat(1001)
    try:
        os.stat(PATH)
        assert False
    except OSError:
        pass


def test_without_a_launcher_there_is_no_beat():
    for words in ({}, {"BACKFENCE_BEAT_S": ""}, {"BACKFENCE_BEAT_S": "x"}):
        assert told(lambda: started.Beat(PATH), **words).beat(1)
