"""Long computations: one after the other, bounded, and an error ends only its own."""

from backfence.agent.counting import Counters
from backfence.agent.errors import RemoteError
from backfence.agent.limits import WORK
from backfence.agent.work import Work


class Steps:
    """A computation of so many steps, then an error if asked."""

    def __init__(self, name, steps, error=None):
        self.name, self.left, self.error = name, steps, error

    def step(self):
        self.left -= 1
        if self.left == 0 and self.error:
            raise self.error
        return self.left == 0


def test_the_first_is_finished_first_and_errors_are_told():
    work, ended = Work(Counters()), []
    problem = RemoteError("wrong")
    for steps in (Steps("a", 3), Steps("b", 1), Steps("c", 2, problem)):
        assert work.add(steps, lambda steps, error: ended.append((steps.name, error)))
    turns = 1
    while work.step():
        turns += 1
    assert ended == [("a", None), ("b", None), ("c", problem)] and turns == 6
    assert not work.step() and len(work) == 0


def test_the_queue_is_bounded_and_what_ends_may_begin_more():
    work, ended = Work(Counters()), []

    def done(steps, error):
        ended.append(steps.name)
        if len(ended) == 1:
            assert work.add(Steps("more", 1), done)

    for i in range(WORK + 3):
        assert work.add(Steps(i, 1), done) == (i < WORK)
    assert work.full() and work._counters["work_full"] == 3
    while work.step():
        pass
    assert ended == list(range(WORK)) + ["more"]


class Starved:
    """Runs out of memory at a step, or as its end is told."""

    def __init__(self, at):
        self.at, self.steps = at, 0

    def step(self):
        self.steps += 1
        if self.steps == self.at:
            raise MemoryError
        return self.steps == 3


def starving(work):
    """Step until nothing waits; how often memory ran out."""
    count = 0
    while len(work):
        try:
            work.step()
        except MemoryError:
            count += 1
    return count


def test_a_step_without_memory_is_not_repeated_and_its_end_is_told():
    work, ended = Work(Counters()), []
    starved = Starved(2)
    work.add(starved, lambda computation, error: ended.append(error))
    work.add(Steps("b", 2), lambda computation, error: ended.append(error))
    assert starving(work) == 1 and starved.steps == 2
    assert isinstance(ended[0], RemoteError) and ended[1:] == [None]


def test_who_waits_hears_of_the_end_though_memory_was_lacking_for_that():
    work, ended = Work(Counters()), []

    def done(computation, error):
        ended.append(error)
        if len(ended) < 3:
            raise MemoryError

    work.add(Starved(9), done)
    assert starving(work) == 2
    assert ended[0] is None and isinstance(ended[2], RemoteError)
