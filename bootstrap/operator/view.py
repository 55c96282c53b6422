"""What a person sees while the demonstration runs: a live picture, or plain lines.

`open_view(live)` gives one of two things with the same three methods:
`say(text)` for what happened, `show(scene)` for how things stand, `close()`.
"""

import math
import sys
import time

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

REFRESH_HZ = 4
EVENTS_KEPT = 200  # a run says some 40
PLAIN_EVERY_S = 5  # a line of progress, where nothing else is said
CIRCLE_MAX_SEATS = 16  # more do not fit around a circle of this height
CIRCLE_WIDTH, CIRCLE_HEIGHT = 34, 15
BOXES_SHOWN = 24
WIDE = 96  # columns; below, the boxes' table leaves a column out

STYLES = {"starting": "dim", "joined": "green", "door": "cyan", "killed": "bold red"}


class Box:
    """One line of the picture: a box as its status file tells of it.

    name -- str; state -- a key of STYLES; members, open, done -- int;
    seats -- list of int; running -- a task's number or None
    """

    def __init__(self, name, state="starting", members=0, seats=(), open_tasks=0, running=None, done=0):
        self.name = name
        self.state = state
        self.members = members
        self.seats = list(seats)
        self.open = open_tasks
        self.running = running
        self.done = done


class Scene:
    """How things stand: boxes -- list of Box; seats -- the slice's size; succeeded, total -- of the
    tasks; faults -- of the ring, sentences."""

    def __init__(self, boxes, seats, succeeded=0, total=0, faults=()):
        self.boxes = boxes
        self.seats = seats
        self.succeeded = succeeded
        self.total = total
        self.ring = "open" if faults else "closed"
        self.faults = list(faults)

    def holders(self):
        """{seat: names of the boxes that hold it}, the killed ones left out."""
        held = {}
        for box in self.boxes:
            if box.state != "killed":
                for seat in box.seats:
                    held.setdefault(seat, []).append(box.name)
        return held

    def line(self):
        """All of it in one plain line."""
        alive = [box for box in self.boxes if box.state != "killed"]
        why = " (%s)" % self.faults[0] if self.faults else ""
        return "%d boxes up, %d in the overlay; %d of %d seats held, ring %s%s; %d of %d tasks done, %d open" % (
            len(alive),
            sum(1 for box in alive if box.members),
            sum(1 for seat in self.holders() if seat < self.seats),
            self.seats,
            self.ring,
            why,
            self.succeeded,
            self.total,
            sum(box.open for box in alive),
        )


def open_view(live=True, console=None):
    """A live picture if `live` and there is a terminal, else plain lines."""
    console = console or Console()
    if live and console.is_terminal and not console.is_dumb_terminal:
        return LiveView(console)
    return PlainView(console.file)


class PlainView:
    """One line for each event, and a line of progress every few seconds."""

    def __init__(self, file=None):
        self.file = file or sys.stdout
        self.began = time.monotonic()
        self.spoke = self.began
        self.shown = None

    def say(self, text):
        self.spoke = time.monotonic()
        print("%6.1f s  %s" % (self.spoke - self.began, text), file=self.file, flush=True)

    def show(self, scene):
        line = scene.line()
        if line != self.shown and time.monotonic() - self.spoke >= PLAIN_EVERY_S:
            self.shown = line
            self.say("  " + line)

    def close(self):
        pass


class LiveView:
    """The picture: the ring of seats, the boxes, the tasks, and what happened last."""

    def __init__(self, console):
        self.console = console
        self.began = time.monotonic()
        self.events = []
        self.scene = None
        self.live = Live(console=console, get_renderable=self.render, refresh_per_second=REFRESH_HZ, transient=True)
        self.live.start()

    def say(self, text):
        line = "%6.1f s  %s" % (time.monotonic() - self.began, text)
        self.events = self.events[-EVENTS_KEPT + 1:] + [line]

    def show(self, scene):
        self.scene = scene

    def close(self):
        """Takes the picture away and leaves the story as plain lines."""
        self.live.stop()
        for line in self.events:
            self.console.print(Text(line))

    def render(self):
        """The picture first, then as much of the story as the terminal has lines for."""
        width, height = self.console.size
        parts, used = [], 0
        if self.scene is not None:
            boxes = box_table(self.scene.boxes, wide=width >= WIDE)
            ring = Panel(ring_text(self.scene), title="slice of %d: ring %s" % (self.scene.seats, self.scene.ring))
            picture = Table.grid()
            picture.add_row(ring, Panel(boxes, title="boxes"))
            parts = [self._progress(), picture]
            used = 1 + 2 + max(CIRCLE_HEIGHT, boxes.row_count)
        lines = self.events[-max(1, height - used - 3):]
        parts.append(Panel(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), title="backfence"))
        return Group(*parts)

    def _progress(self):
        scene = self.scene
        row = Table.grid(expand=True, padding=(0, 1))
        row.add_column(width=24)
        row.add_column(ratio=1)
        label = "tasks settled %d/%d" % (scene.succeeded, scene.total)
        row.add_row(label, ProgressBar(total=max(1, scene.total), completed=scene.succeeded))
        return row


def box_table(boxes, wide=True):
    """The boxes as a table; the first BOXES_SHOWN of many."""
    table = Table.grid(padding=(0, 2))
    titles = ("box", "state", "knows", "seat", "open", "done") + (("running",) if wide else ())
    table.add_row(*(Text(title, style="bold") for title in titles))
    for box in boxes[:BOXES_SHOWN]:
        seats = ",".join(map(str, box.seats))
        cells = (box.name, box.state, box.members, seats, box.open or "", box.done or "")
        if wide:
            cells += ("" if box.running is None else "task %d" % box.running,)
        table.add_row(*(Text(str(cell)) for cell in cells), style=STYLES[box.state])
    if len(boxes) > BOXES_SHOWN:
        table.add_row(Text("and %d more" % (len(boxes) - BOXES_SHOWN)))
    return table


def ring_text(scene):
    """The seats drawn on a circle, clockwise from the top; as lines if they are many."""
    if scene.seats > CIRCLE_MAX_SEATS:
        return _seat_lines(scene)
    canvas = [[" "] * CIRCLE_WIDTH for _ in range(CIRCLE_HEIGHT)]
    styles = []
    for dot in range(8 * scene.seats):
        _put(canvas, dot / (8 * scene.seats), ".")
    for seat in range(scene.seats):
        label, style = _seat_label(scene, seat)
        styles.append((label, style))
        _put(canvas, seat / scene.seats, label)
    text = Text("\n".join("".join(row).rstrip() for row in canvas), no_wrap=True)
    for label, style in styles:
        text.highlight_words([label], style)
    return text


def _seat_lines(scene):
    text = Text()
    for seat in range(scene.seats):
        label, style = _seat_label(scene, seat)
        text.append(label, style)
        text.append(" ")
    return text


def _seat_label(scene, seat):
    names = scene.holders().get(seat, [])
    if len(names) == 1:
        return "%d:%s" % (seat, names[0]), "bold green"
    if names:
        return "%d:%s?" % (seat, "+".join(names)), "bold red"
    return "%d:---" % seat, "yellow"


def _put(canvas, turn, label):
    """Write a label around the point at `turn` (0 to 1, clockwise from the top)."""
    angle = 2 * math.pi * turn
    x = CIRCLE_WIDTH / 2 + (CIRCLE_WIDTH / 2 - 5) * math.sin(angle) - len(label) / 2
    y = (CIRCLE_HEIGHT - 1) / 2 * (1 - math.cos(angle))
    row, column = round(y), max(0, min(CIRCLE_WIDTH - len(label), round(x)))
    for place, letter in enumerate(label[:CIRCLE_WIDTH]):
        canvas[row][column + place] = letter
