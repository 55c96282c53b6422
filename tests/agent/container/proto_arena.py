"""Memory set aside when the agent starts: jobs find it clean, however the last one left it."""

from modules import I32, command, function, get, i32, load, module, run, start, tick

from backfence.agent.container.arena import reserve


def test_jobs_share_the_arena_but_see_nothing_of_each_other():
    reserve(2 << 16)
    grow = function((I32,), (I32,), get(0) + b"\x40\0")
    peek = function((I32,), (I32,), get(0) + load(0x28))
    poke = function((I32,), (), get(0) + get(0) + load(0x36))
    data = module([grow, peek, poke], memory=(1, None))
    places = (0, 4, 1021, 65532, 65536, 131068)
    for _ in range(2):
        program = start(data, pages=4)
        assert program.invoke("f1", (65536,), tick)[0] == "trap"
        for at in places[:4]:
            assert program.invoke("f1", (at,), tick)[3] == (0,), at
        program.invoke("f2", (4,), tick)
        assert program.invoke("f0", (1,), tick)[3] == (1,)
        # What the job wrote before it grew is there; the new page is clean.
        assert program.invoke("f1", (4,), tick)[3] == (4,)
        for at in places[4:]:
            assert program.invoke("f1", (at,), tick)[3] == (0,), at
        for at in (-4, 131072, 131069):
            assert program.invoke("f1", (at,), tick)[0] == "trap", at
        for at in places:
            program.invoke("f2", (at,), tick)
        # Beyond the arena the job gets memory of its own, with all it had.
        assert program.invoke("f0", (1,), tick)[3] == (2,)
        for at in (4, 65536, 131068):
            assert program.invoke("f1", (at,), tick)[3] == (at,), at
        assert program.invoke("f1", (131072,), tick)[3] == (0,)
    outcome = run(command(i32(0) + load(0x28) + b"\x04\x40\0\x0b"))
    assert (outcome.kind, outcome.pages) == ("ok", 1)
