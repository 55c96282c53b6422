"""`make rollout`: real agents take a signed update in waves, over the real path, with work under way.

    rollout.py [--agents 24]

Each agent is a MicroPython process below a launcher, as on a box; mosquitto, the
controller and the operator's commands are the real ones.  A good image goes round in
three waves while a job runs; two boxes are killed with -9 in the midst of the update, and
one is of a class whose image crashes.  Then a crashing image is published to all.

Judged by the records on the disks and by what launchers and processes there are: all run
the new version, the one that was given a bad image as well, once a good one followed;
the job's result is exact; the second image is started by the first wave alone, and all
are back on the new version.  Exit code 1 if not, or if nothing was at stake.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import click

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "agent" / "edge")]
import brokers  # noqa: E402  (neighbours of this folder)
import launched  # noqa: E402

from backfence.agent import slots, waves  # noqa: E402
from backfence.bootstrap.operator import firmware, push, rollout  # noqa: E402
from backfence.bootstrap.operator.lab import Lab  # noqa: E402
from backfence.sim.live import interpreters  # noqa: E402
from backfence.sim.live.fleet import LiveFleet  # noqa: E402

VENDOR, CLASS, CANARY = "isp.example", "box", "canary"
SETTINGS = {
    "vendor": VENDOR, "trial_s": 120, "status_ms": 1000, "round_ms": 10000, "busy_round_ms": 2000, "probe_ms": 4000,
    "cpu_percent": 90, "busy_load": 0, "slot_kb": 1024,
}
WAVES, SOAK_S, POLLED = "25,60,100", 30, 3
# A launcher's times: a look at the beat, a silence, the wait after a crash.
TIMES = {"BACKFENCE_LOOK_S": "5", "BACKFENCE_SILENT_S": "120", "BACKFENCE_PAUSE_S": "2"}
SEATS, TASKS, KILLS = 10, 120, 2
LIMIT_S, HOLD_S = 1500, 180
SAY_S, TURN_S = 10, 0.5
VALID_S = 86400


class LaunchedLab(Lab):
    """A lab whose agents are started by launchers."""

    def start_agent(self, name, home, interpreter=None, heap_bytes=None):
        """Starts the launcher of the box whose home is `home`; returns its Process."""
        program, _ = launched.program("micropython", home)
        argv = ["sh", str(launched.LAUNCHER), home, str(heap_bytes), str(program)]
        process = self._start(name, home, argv, niceness=5)
        self.agents.append(process)
        return process


class Fleet(LiveFleet):
    """A LiveFleet below launchers, the last box of a class of its own."""

    make_lab = LaunchedLab

    def __init__(self, folder, broker, agents):
        super().__init__(folder, broker, ["micropython"] * agents, doors=2, settings=SETTINGS, prepare=self._classify)

    def _classify(self, number, box):
        with open(os.path.join(box.home, "agent.conf"), "a") as file:
            file.write(f"class = {CANARY if number == len(self.names) - 1 else CLASS}\n")

    def record(self, agent):
        """The record of a box's slots, from its disk."""
        path = pathlib.Path(agent.home, "state", "state-slots")
        return slots.decode(path.read_bytes()) if path.exists() else slots.Record()

    def runs(self, agent, sequence):
        """True if a box's record and its process say that it runs this version, confirmed."""
        record = self.record(agent)
        row = record.rows[record.confirmed]
        if not row or row.sequence != sequence or record.trial:
            return False
        words = launched.command_line(self.number(agent) or 0)
        return b"/slots/" + slots.NAMES[record.confirmed].encode() in words

    def number(self, agent):
        """The process number of a box's agent, None without one."""
        try:
            return int(pathlib.Path(agent.home, "store", "agent.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def publish(self, made, klass, text):
        """Signs and publishes an image for a class, with the waves of `text`; its payload."""
        plan = rollout.plan(self.operator, firmware.digest(made.data), text, SOAK_S, (), POLLED if text else None)
        last = max([0, *(self.record(agent).floor for agent in self.agents)])
        signed, payload, blobs = firmware.sign(
            self.operator, made, VENDOR, klass, VALID_S, max(int(time.time()), last + 1), waves=plan)
        with push.Session(self.broker) as session:
            firmware.publish(session, self.operator, signed, blobs, 1, 60)
            for query in rollout.queries(self.operator, payload) if plan else ():
                push.publish(session.broker, self.operator, self.operator.sign(query), session=session)
        return payload

    def cut(self, agent):
        """kill -9 of a box's launcher and agent, and a new launcher; its Process takes the old one's place."""
        number = self.number(agent)
        agent.kill()
        if number and b"backfence.agent" in launched.command_line(number):
            os.kill(number, signal.SIGKILL)
        time.sleep(2)
        index = self.agents.index(agent)
        self.lab.agents.remove(agent)
        new = self.lab.start_agent(agent.name, agent.home, heap_bytes=HEAP)
        new.processor, new.box = agent.processor, agent.box
        self.agents[index] = new

    def stop(self):
        """Ends launchers and agents."""
        super().stop()
        for agent in self.agents:
            number = self.number(agent)
            if number and agent.home.encode() in launched.command_line(number):
                os.kill(number, signal.SIGKILL)


HEAP = 2 << 20


class Story:
    """The good image's rollout: driven and looked at while the job runs."""

    def __init__(self, fleet, payload, boxes):
        self.fleet, self.sequence, self.boxes = fleet, payload["seq"], boxes
        self.killed, self.said_s, self.begun_s = [], 0.0, time.monotonic()

    def look(self):
        """Kills whoever is in the midst of it, until KILLS were, and tells how it stands."""
        for agent in self.boxes:
            record = self.fleet.record(agent)
            doing = (agent.status() or {}).get("firmware", {}).get("fetching")
            midst = record.trial or doing and doing["written"]
            if midst and len(self.killed) < KILLS and agent.home not in self.killed and self.fleet.number(agent):
                self.killed.append(agent.home)
                say(f"kill -9 of {agent.name}: " + ("on trial" if record.trial else f"{doing['written']} of {doing['parts']} parts written"))
                self.fleet.cut(agent)
                homes = {new.home: new for new in self.fleet.agents}
                self.boxes = [homes[each.home] for each in self.boxes]
                break
        if time.monotonic() - self.said_s > SAY_S:
            self.said_s = time.monotonic()
            held = [said["firmware"]["waiting"] for said in self.fleet.statuses() if said.get("firmware", {}).get("waiting")]
            say(f"{time.monotonic() - self.begun_s:.0f} s: {self.done()}/{len(self.boxes)} run it, {len(held)} wait for their wave")

    def done(self):
        """How many of the boxes run it, confirmed."""
        return sum(self.fleet.runs(agent, self.sequence) for agent in self.boxes)


def say(text):
    """A line of progress."""
    print(text, flush=True)


def until(what, limit_s, done, look=lambda: None):
    """Waits for done(); exits with 1 and the reason after limit_s."""
    give_up = time.monotonic() + limit_s
    while not done():
        look()
        if time.monotonic() > give_up:
            say(f"FAILED: {what} within {limit_s} s")
            raise SystemExit(1)
        time.sleep(TURN_S)


def judge(what, holds):
    """One line of the verdict; exits with 1 if it does not hold."""
    say(f"{'ok' if holds else 'FAILED'}: {what}")
    if not holds:
        raise SystemExit(1)


def good_image(fleet):
    """The good image, with a job under way; the Story."""
    boxes, canary = fleet.agents[:-1], fleet.agents[-1]
    fleet.slice(SEATS)
    bad = fleet.publish(launched.archive(__main__=launched_crash()), CANARY, None)
    until("the canary gave its bad image up", LIMIT_S, lambda: fleet.record(canary).failed == [bad["seq"]])
    say("one box was given a bad image, and is back")
    payload = fleet.publish(launched.archive(), CLASS, WAVES)
    story = Story(fleet, payload, boxes)
    say(f"published: sequence {payload['seq']}; " + "; ".join(rollout.describe(payload["waves"])))
    inputs = [f"task {number} says hello to task {number}".encode() for number in range(TASKS)]
    done = fleet.push(str(interpreters.REPOSITORY / "examples" / "words.wasm"), inputs, watch=story.look, replicas=1)
    say(f"the job is settled while {story.done()}/{len(boxes)} run the new version: {done}")
    until("all run the new version", LIMIT_S, lambda: story.done() == len(boxes), story.look)
    took_s = time.monotonic() - story.begun_s
    again = fleet.publish(launched.archive(), CANARY, None)
    until("the canary runs it as well", LIMIT_S, lambda: fleet.runs(fleet.agents[-1], again["seq"]))
    judge(f"all {len(fleet.agents)} boxes run the new version, the last after {took_s:.0f} s", True)
    judge(f"{len(story.killed)} boxes were killed in the midst of it", len(story.killed) == KILLS)
    judge(f"{TASKS} tasks, {done.outputs.count(None)} without result", done.succeeded and None not in done.outputs)
    whole = fleet.push(str(interpreters.REPOSITORY / "examples" / "words.wasm"), inputs, name="after")
    judge("the same job on the new version gives the same bytes", whole.outputs == done.outputs)
    return story


def bad_image(fleet, story):
    """A crashing image, in waves: its first wave alone starts it, and goes back."""
    payload = fleet.publish(launched.archive(__main__=launched_crash()), CLASS, WAVES)
    boxes = fleet.agents[:-1]
    first = [agent for agent in boxes if waves.wave_of(payload, bytes.fromhex(agent.box), "") == 0]
    judge(f"the bad image's first wave has {len(first)} of {len(boxes)} boxes", 0 < len(first) < len(boxes))
    begun_s = time.monotonic()
    failed = lambda agent: payload["seq"] in fleet.record(agent).failed  # noqa: E731
    until("the first wave is back", LIMIT_S, lambda: all(failed(agent) and fleet.runs(agent, story.sequence) for agent in first))
    say(f"the first wave is back after {time.monotonic() - begun_s:.0f} s; {HOLD_S} s more, six soaks, are waited")
    time.sleep(HOLD_S)
    hit = [agent.name for agent in boxes if failed(agent) or fleet.record(agent).trial]
    judge(f"{len(hit)} boxes ever started the bad image: its first wave", sorted(hit) == sorted(agent.name for agent in first))
    judge("all run the good version", all(fleet.runs(agent, story.sequence) for agent in boxes))
    held = [said for said in fleet.statuses() if (said["firmware"].get("waiting") or {}).get("held")]
    say(f"{len(held)} boxes say that they hold")
    command = [os.path.join(os.path.dirname(sys.executable), "backfence"), "firmware", "status", payload["name"],
               "--fleet", fleet.operator.directory, "--broker", fleet.broker]
    say(subprocess.run(command, capture_output=True, text=True).stdout.strip())


def launched_crash():
    """The source of an agent that crashes at its start."""
    return "raise SystemExit(7)\n"


@click.command()
@click.option("--agents", type=click.IntRange(12, 100), default=24, show_default=True)
def main(agents):
    """Runs it; exit code 1 if something does not hold."""
    os.environ.update(TIMES)
    with tempfile.TemporaryDirectory(prefix="backfence-rollout-") as folder:
        broker = brokers.Broker("mosquitto", pathlib.Path(folder))
        try:
            with Fleet(os.path.join(folder, "fleet"), broker.address, agents) as fleet:
                say(f"{agents} agents have met")
                bad_image(fleet, good_image(fleet))
        finally:
            broker.process.kill()
    say("ok")


if __name__ == "__main__":
    main()
