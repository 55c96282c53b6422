"""Jobs in the loop: programs, cancels, shares, memory and stack that run out."""

from backfence.agent.container import admission, limits
from backfence.agent.edge import jobs
from recording import CLOCK, ECHO, SPIN, Box, Job, SteppedClock, endless, start


def test_a_job_runs_and_its_program_is_kept():
    box = Box()
    for number in range(3):
        stdin = b"input %d" % number
        start(box, Job(number, ECHO, stdin), ECHO, stdin)
        outcome = box.finish()
        assert (outcome.kind, outcome.output) == ("ok", stdin)
        assert not box.loop.jobs.active()
        box.node.told = []
    assert box.node.counters["programs_admitted"] == 1
    start(box, Job(9, SPIN, b"", 100000), SPIN)
    assert box.finish().kind == "fuel"
    assert len(box.loop.jobs._programs) == 2 == jobs.PROGRAMS
    box.close()


def test_the_oldest_program_goes():
    box = Box()
    for byte in range(jobs.PROGRAMS + 2):
        # A custom section makes the same program another.
        program = ECHO + b"\x00\x02\x01" + bytes((65 + byte,))
        start(box, Job(byte, program, b"x"), program, b"x")
        assert box.finish().kind == "ok"
        box.node.told = []
    assert len(box.loop.jobs._programs) == jobs.PROGRAMS
    assert box.node.counters["programs_admitted"] == jobs.PROGRAMS + 2
    box.close()


def test_a_job_sees_the_fleets_time_unless_it_is_deterministic():
    box = Box()
    for deterministic, least, most in ((True, 10**9, 10**9), (False, 1800000000, 1800000100)):
        job = Job(deterministic, CLOCK, b"")
        job.deterministic = deterministic
        start(box, job, CLOCK)
        outcome = box.finish()
        now_ns = int.from_bytes(outcome.output, "little")
        assert outcome.kind == "ok" and least * 10**9 <= now_ns <= most * 10**9, (now_ns, outcome.reason)
        box.node.told = []
    box.close()


def test_what_is_no_program_is_refused():
    box = Box()
    start(box, Job(1, b"not wasm", b""), b"not wasm")
    outcome = box.finish()
    assert outcome.kind == "refused" and outcome.reason and not box.loop.jobs.active()
    box.close()


def test_a_job_whose_blobs_are_gone_is_given_back():
    box = Box()
    box.node.wants = [("job", Job(1, ECHO, b"x"))]
    box.loop.turn(0)
    assert box.finish().kind == "cancelled"
    box.node.told = []
    box.node.hold(ECHO)
    box.node.wants = [("job", Job(2, ECHO, b"x"))]
    assert box.finish().kind == "cancelled"
    box.close()


def test_the_node_hears_and_answers_while_a_job_runs():
    box = Box()
    endless(box)
    answers = []

    def answer(data, addr):
        box.node.out = [(b"re: " + bytes(data), addr)]
        if len(box.node.heard("receive")) == 3:
            box.node.wants = [("cancel", b"k")]
        else:
            box.peer.send(b"again", box.address)

    box.node.on_receive = answer
    box.send_when_running(b"once")
    assert box.finish().kind == "cancelled"
    while len(answers) < 3:
        answers.append(box.peer.receive()[0])
    assert answers == [b"re: once", b"re: again", b"re: again"]
    box.close()


def test_another_jobs_cancel_is_not_ours():
    box = Box()
    start(box, Job(b"k", SPIN, b"", 200000), SPIN)
    box.node.wants = [("cancel", b"other")]
    assert box.finish().kind == "fuel"
    box.close()


def test_a_job_cancelled_before_it_runs():
    box = Box()
    endless(box)
    box.node.wants = [("cancel", b"k")]
    box.loop.turn(0)
    assert box.finish().kind == "cancelled"
    box.close()


def test_no_memory_for_a_datagram_costs_the_job_not_the_node():
    box = Box()

    def starve(data, addr):
        raise MemoryError

    # The first time the job is given back, to be tried with the heap to itself.
    for kind in ("cancelled", "memory"):
        box.node.told = []
        endless(box)
        box.node.on_receive = starve
        box.send_when_running(b"x")
        assert box.finish().kind == kind and box.loop.jobs._programs == []
    assert box.node.counters["memory_shed"] == 2
    assert box.node.heard("done")[0][2].reason == "the box has no memory left for it"
    box.node.on_receive = None
    box.peer.send(b"y", box.address)
    box.loop.turn(1000)
    assert box.node.heard("receive")[-1][1] == b"y"
    box.close()


def test_no_memory_for_a_program():
    box = Box()

    class Starved:
        def __init__(self, data, limits):
            raise MemoryError

    real, admission.Admission = admission.Admission, Starved
    try:
        for kind in ("cancelled", "memory"):
            box.node.told = []
            start(box, Job(1, ECHO, b""), ECHO)
            assert box.finish().kind == kind
    finally:
        admission.Admission = real
    assert box.node.counters["memory_shed"] == 2
    box.close()


def test_a_program_without_room_beside_the_others_takes_theirs():
    box = Box()
    start(box, Job(1, ECHO, b"x"), ECHO, b"x")
    assert box.finish().kind == "ok" and len(box.loop.jobs._programs) == 1
    real = admission.Admission.prepare
    beside = []

    def prepare(self):
        beside.append(len(box.loop.jobs._programs))
        if beside[-1]:
            raise limits.NoRoom("no room")
        return real(self)

    admission.Admission.prepare = prepare
    try:
        box.node.told = []
        start(box, Job(2, SPIN, b"", 100000), SPIN)
        assert box.finish().kind == "fuel" and beside[:2] == [1, 0]
    finally:
        admission.Admission.prepare = real
    box.close()


def test_no_memory_for_an_outcome_loses_the_job_not_the_node():
    box = Box()
    real = box.node.job_done

    def starve(job, outcome, now_ms):
        raise MemoryError

    box.node.job_done = starve
    start(box, Job(1, ECHO, b"x"), ECHO, b"x")
    while box.loop.jobs.active():
        box.loop.turn(0)
        box.loop._step_job()
    assert box.node.counters["memory_shed"] == 1
    box.node.job_done = real
    start(box, Job(1, ECHO, b"x"), ECHO, b"x")
    assert box.finish().kind == "ok"
    box.close()


def test_a_stack_that_overflows_under_a_job_is_the_jobs_fault():
    box = Box()
    endless(box)

    def deep(data, addr):
        deep(data, addr)

    box.node.on_receive = deep
    box.send_when_running(b"x")
    outcome = box.finish()
    assert outcome.kind == "trap" and "stack" in outcome.reason
    box.close()


def test_a_share_is_kept_by_resting():
    share = jobs.Share(25)
    share.worked(10)
    assert share.due_ms() == 30 and share.worked_ms == 10
    share.rested(20)
    assert share.due_ms() == 10
    share.rested(100)
    assert share.due_ms() == 0
    # Idle hours are no credit.
    share.worked(10)
    assert share.due_ms() == 30
    share.worked(1000)
    assert share.due_ms() == jobs.REST_MS
    share.worked(1 << 28)
    rests = 0
    while share.due_ms():
        share.rested(share.due_ms())
        rests += 1
    assert rests == jobs.OWED_MS // jobs.REST_MS
    whole = jobs.Share(100)
    whole.worked(10)
    assert whole.due_ms() == 0


def test_a_job_computes_no_more_than_its_share():
    for percent in (10, 50, 80):
        clock = SteppedClock()
        rested = [0]

        def turn(wait_ms):
            clock.now_ms += wait_ms
            rested[0] += wait_ms

        box = Box()
        box.node.hold(SPIN)
        box.node.hold(b"")
        one = jobs.Jobs(box.node, clock, turn, percent)
        one.start(Job(b"k", SPIN, b"", 1500000))
        while one.active():
            one.step()
            one.share.rested(0)
        outcome = box.node.heard("done")[0][2]
        assert outcome.kind == "fuel" and outcome.ms > 50
        # Of the time the run took, at most its share was work (one rest is owed).
        assert outcome.ms * 100 <= percent * (outcome.ms + rested[0] + jobs.REST_MS) + 100 * jobs.TURN_MS
        box.close()


def test_a_programs_ticks_keep_their_pace():
    class Paced:
        quantum = 16000

    box = Box()
    box.loop.jobs._instance = paced = Paced()
    box.loop.jobs._most_fuel = 20000
    for passed_ms, quantum in ((16, 2000), (2, 2000), (1, 4000), (0, 8000), (0, 16000), (0, 20000), (0, 20000), (9999, 250)):
        box.loop.jobs._pace(passed_ms)
        assert paced.quantum == quantum, passed_ms
    box.close()
