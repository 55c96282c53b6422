"""A live agent whose box turns busy: its task waits, and is still there to be cancelled."""

import time

import test_jobs_live

SPIN = test_jobs_live.SPINNERS["loop"]
LOOK_S = 1.0


def used_s(pid):
    """Seconds of processor time that a process has had."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def used_in(pid, seconds):
    before = used_s(pid)
    time.sleep(seconds)
    return used_s(pid) - before


def test_a_task_waits_while_its_box_is_busy(tmp_path, monkeypatch):
    proc = tmp_path / "root" / "proc"
    proc.mkdir(parents=True)
    (proc / "loadavg").write_text("0.10 0.10 0.10 1/99 9\n")
    settings = test_jobs_live.Home.configure
    monkeypatch.setattr(
        test_jobs_live.Home, "configure",
        lambda self, **given: settings(self, **{**given, "system_root": tmp_path / "root", "busy_load": 200}))
    world = test_jobs_live.World(tmp_path, "8M", monkeypatch)
    pid = world.agent.process.pid
    try:
        world.run("spin", SPIN, fuel=1 << 50)
        world.agent.wait(lambda status: status["counters"].get("programs_admitted"), "the task to run")
        running_s = used_in(pid, LOOK_S)
        (proc / "loadavg").write_text("7.00 3.00 1.00 9/99 9\n")
        world.agent.wait(lambda status: status["tasks"]["busy"] == "load", "a busy box")
        waiting_s = used_in(pid, LOOK_S)
        assert waiting_s < running_s / 2, (running_s, waiting_s)
        assert world.running() == "spin" and world.agent.home.status()["counters"]["tasks_parked"] == 1
        world.end("spin")
        world.agent.wait(lambda status: status["tasks"]["running"] is None, "the end of the task")
    finally:
        world.close()
