"""One machine and its update loop: on, update, cut, look at the disk, on again.

A thread of its own.  What it draws (when to cut, what the cache loses) comes from the
seed; how far the machine is by then does not, for it runs on this machine's time.
"""

import dataclasses
import json
import random
import re
import struct
import time
from pathlib import Path

import box as boxes
import outside
from machine import disk
from machine.machine import Machine, MachineError

# From power-on until the agent has turned and spoken with another; a boot of the
# machine under load, the judge's hashing and the loading of 140 modules are in it.
UP_S = 240
LOOK_S = 0.2
# Writes and flushes until the agent turns; from a slot's first until the record is
# durable; from there until the trial is confirmed.  Cuts are drawn below them.
START_EVENTS = 24
SLOT_EVENTS = 20
TRIAL_EVENTS = 24
# Bytes at the disk's beginning, ext4's superblock among them, that no cut tears.
FILE_SYSTEM_HEAD = 4096
# How a cut's moment is drawn: weights.
PLANS = {"starting": 3, "event of the slot": 6, "time of the update": 2, "event of the trial": 4, "at rest": 1}
UPDATE_S = 45
TRIAL_S = 30
PACKAGED_VERSION = "0.1.0"
QUESTION = (
    f"p=$(cat {boxes.STORE}/agent.pid 2>/dev/null); echo; "
    "[ -n \"$p\" ] && echo \"command $(tr '\\0' ' ' </proc/$p/cmdline)\"; "
    f"[ {boxes.HOME}/status.json -nt /tmp/booted ] && echo \"status $(cat {boxes.HOME}/status.json)\""
)
MEMORY = (
    "grep -E '^Mem(Total|Free|Available):' /proc/meminfo; "
    f"grep -E '^(Rss|Pss|Pss_Anon):' /proc/$(cat {boxes.STORE}/agent.pid)/smaps_rollup"
)
UNPROVEN = b"the trial has not proved itself"
TRIED = re.compile(rb"firmware (\d+) is tried from")
CONFIRMED = re.compile(rb"firmware (\d+) is confirmed")
# Ethernet, IPv4 and UDP before a datagram's payload, in qemu's capture.
CAPTURE_HEAD, RECORD_HEAD, UDP_HEAD = 24, 16, 42


@dataclasses.dataclass
class Cut:
    """One pulled plug and what came of it; a row of build/powercut.json."""

    machine: int
    number: int
    plan: str
    way: str
    phase: str = ""
    events: int = 0
    flushes: int = 0
    lost: int = 0
    kept: int = 0
    torn: int = 0
    target: int = 0
    ran: str = ""
    outcome: str = ""
    up_s: float = 0.0
    memory: dict = dataclasses.field(default_factory=dict)
    fault: str = ""


class Lane:
    """The machine `number` of a world.  report(cut) is called after each."""

    def __init__(self, number, world, parts, rom, work, seed, options, report):
        self.number = number
        self.world = world
        self.work = Path(work)
        self.options = options
        self.report = report
        self.rng = random.Random(f"{seed} {number}")
        self.history = outside.History()
        home = world.boxes[number].home
        flash = boxes.make_flash(self.work, home, world.settings(number, options.trial_s), options.kind)
        self.disk = disk.Disk("", flash, untorn=FILE_SYSTEM_HEAD)
        self.machine = Machine(parts, rom, self.disk, self.work, options.memory_mb, capture=True)
        self.target = None  # the newest firmware that was published for this box
        self.contents = outside.read(flash, self.work)
        self.cuts = []
        self.unproven = 0  # trials that ended for want of answers
        self.settled = True  # what was published last was confirmed, or has failed

    def run(self, more):
        """Cut while more() says so; a boot and a last update that must stand at the end."""
        while more():
            cut = self.cycle(self._plan())
            self.cuts.append(cut)
            self.report(cut)
            if cut.fault:
                return
        last = self.cycle("none")
        self.cuts.append(last)
        self.report(last)

    def _plan(self):
        return self.rng.choices(list(PLANS), PLANS.values())[0]

    def cycle(self, plan):
        """One boot and, unless plan is "none", one cut; the Cut."""
        cut = Cut(self.number, len(self.cuts) + 1, plan, self.rng.choice(disk.WAYS))
        running = False
        self.machine.log.write_bytes(b"")
        begun = time.monotonic()
        try:
            self.machine.power_on()
            if plan == "starting":
                self.disk.cut_at(1 + self.rng.randrange(START_EVENTS))
            self.machine.run("touch /tmp/booted; sh /rom/start || echo no flash")
            cut.ran = self._come_up()
            running = True
            cut.up_s = round(time.monotonic() - begun, 1)
            self._work_until_cut(plan, cut)
        except (MachineError, outside.Broken) as problem:
            if not self.disk.dead.is_set():
                cut.fault = str(problem)
        told = [int(found) for found in CONFIRMED.findall(self.machine.log.read_bytes())]
        cut.events, cut.flushes = self.disk.events(), self.disk.flushes
        cut.lost, cut.kept, cut.torn = self.disk.power_off(self.rng, cut.way)
        self.machine.pull()
        try:
            self.contents = outside.read(bytes(self.disk.medium), self.work)
            cut.phase = outside.phase(self.contents, self.target, running)
            self.history.check(self.contents, max(told, default=0))
        except outside.Broken as problem:
            cut.fault = cut.fault or str(problem)
        self._judge(cut, running)
        return cut

    def _judge(self, cut, running):
        """Say what the cut left."""
        cut.target = self.target.number if self.target else 0
        row = self.contents.rows.get(self.contents.chosen())
        firmware = self.history.known.get(row.digest) if row else None
        if firmware is None:
            left = "packaged"
        elif firmware is self.target:
            left = "new"
        else:
            left = "old"
        if self.target:
            confirmed = self.contents.rows.get(self.contents.confirmed)
            self.settled = bool(confirmed and confirmed.digest == self.target.digest
                                or self.target.sequence in self.contents.failed)
        cut.outcome = left

    # -- while it runs

    def _come_up(self):
        """Wait until the agent that the disk calls for turns and has spoken with others; what runs.

        Broken if another runs, MachineError if none does in time.
        """
        expected = self._expected()
        end = time.monotonic() + UP_S
        words = "nothing"
        while time.monotonic() < end:
            self._alive()
            if not self._spoke():  # asking costs the machine more than listening
                self.machine.listen(LOOK_S)
                continue
            told = dict(line.split(" ", 1) for line in self.machine.run(QUESTION).splitlines() if " " in line)
            command, status = told.get("command", ""), _json(told.get("status", ""))
            if status and "backfence.agent" in command:
                words = f"{command} version {status['attributes']['version']}"
                if UNPROVEN in self.machine.log.read_bytes():
                    # It ran, and had no answer within trial_s on a slow machine: then the old one runs.
                    self.unproven += 1
                    expected = self._fallback()
                    self.machine.log.write_bytes(b"")
                self._is_expected(command, status, expected)
                return f"{expected[0]} {expected[1]}"
            self.machine.listen(1)
        raise MachineError(f"the agent did not come up in {UP_S} s; there was {words}; {self._last_log()}")

    def _expected(self):
        """(slot's name or "packaged", version) that must run now."""
        return self._of_slot(self.contents.chosen())

    def _fallback(self):
        self.contents.trial = 0
        return self._of_slot(self.contents.confirmed)

    def _of_slot(self, slot):
        if not slot:
            return "packaged", PACKAGED_VERSION
        return outside.SLOTS[slot], self.history.known[self.contents.rows[slot].digest].version

    def _is_expected(self, command, status, expected):
        """Broken if what runs is not what the disk called for."""
        name, version = expected
        told = status["attributes"]["version"]
        if told != version or (name == "packaged") == ("/slots/" in command) or name not in command + "packaged":
            raise outside.Broken(f"{name} {version} had to run, and there runs {command}, version {told}")
        if name != "packaged":
            path = f"{boxes.HOME}/slots/{name}"
            digest = self.machine.run(f"sha256sum {path}").split()[0]
            wanted = self.contents.rows[self.contents.chosen()].digest.hex()
            if digest != wanted:
                raise outside.Broken(f"{path} runs with SHA-256 {digest}, not {wanted}")

    def _alive(self):
        if self.disk.dead.is_set():
            raise MachineError("its power was cut")
        if not self.machine.listen(0):
            raise MachineError(f"the machine ended: {self.machine.last_words()}")

    def _last_log(self):
        lines = self.machine.log.read_text(errors="replace").splitlines()
        return "its log: " + (" | ".join(lines[-6:]) or "nothing")

    def _spoke(self):
        """True once a fleet's agent answered this boot's agent with more than a stranger gets."""
        heard = told = 0
        for source, target, _ in datagrams(self.machine.capture.read_bytes()):
            heard += target in self.world.ports
            told += source in self.world.ports
        return min(heard, told) >= 3

    def _work_until_cut(self, plan, cut):
        """The update loop, until the plan's moment."""
        if self.settled and plan != "at rest":
            self.target = self.world.publish(self.number)
            self.history.known[self.target.digest] = self.target
            self.settled = False
        if plan == "none":
            self._wait(lambda: self._logged(CONFIRMED), UP_S, "the last update was not confirmed")
            cut.memory = self._memory()
            return
        self._until(plan)
        self.disk.dead.set()

    def _memory(self):
        """The kernel's own figures in KB: of the machine, and of the agent (Rss, Pss)."""
        said = self.machine.run(MEMORY)
        return {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+) kB", said, re.MULTILINE)}

    def _until(self, plan):
        on_trial = self.contents.trial
        if plan == "event of the slot" and self.target.data in self.contents.slots.values() and not on_trial:
            # A cut came between the image and its record: no byte of the slot is written again.
            self.disk.cut_at(1 + self.rng.randrange(SLOT_EVENTS))
            self._pass(UPDATE_S)
        elif plan == "event of the slot" and not on_trial:
            data = self.target.data
            sectors = {data[at:at + disk.SECTOR] for at in range(0, len(data), disk.SECTOR)}
            self.disk.cut_after(sectors, 1 + self.rng.randrange(SLOT_EVENTS))
            self._wait(lambda: self._logged(CONFIRMED), UP_S, "neither was the power cut nor the update confirmed")
        elif plan.startswith("event"):
            if not on_trial:
                self._wait(lambda: self._logged(TRIED), UP_S, "the update was not installed")
            self.disk.cut_at(1 + self.rng.randrange(TRIAL_EVENTS))
            self._pass(TRIAL_S)
        elif plan == "time of the update":
            self._pass(self.rng.random() * UPDATE_S)
        else:
            self._pass(self.rng.random() * 10)

    def _pass(self, seconds):
        """Let it run for so long, or until the disk's own cut."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.disk.dead.is_set():
            self.machine.listen(0.05)

    def _logged(self, pattern):
        return any(int(found) == self.target.sequence for found in pattern.findall(self.machine.log.read_bytes()))

    def _wait(self, condition, limit_s, what):
        end = time.monotonic() + limit_s
        while not condition():
            self._alive()  # raises, when the power goes
            if time.monotonic() > end:
                raise MachineError(f"{what}; {self._last_log()}")
            self.machine.listen(0.1)


def _json(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def datagrams(capture):
    """(source port, target port, bytes of payload) of each UDP datagram over IPv4 in a capture (pcap)."""
    at = CAPTURE_HEAD
    while at + RECORD_HEAD <= len(capture):
        length = struct.unpack_from("<I", capture, at + 8)[0]
        frame = capture[at + RECORD_HEAD:at + RECORD_HEAD + length]
        at += RECORD_HEAD + length
        if len(frame) >= UDP_HEAD and frame[12:14] == b"\x08\x00" and frame[23] == 17:
            source, target, size = struct.unpack_from(">HHH", frame, 34)
            yield source, target, size - 8
