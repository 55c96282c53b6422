"""Branches and returns: br, br_if, br_table, return, and what they leave behind."""

from ..reader import I32
from ..validate import FUNCTION
from .control import Control

# A br_table with more runs of equal targets is worth a table of bytes.
_MANY_RUNS = 16


class Branches(Control):
    """Instructions 0x0C..0x0F."""

    def branch(self):
        """br: what follows cannot be reached."""
        frame = self.label()
        self.settle_effects()
        if frame.kind == FUNCTION:
            self.leave()
        else:
            self.place(self.label_types(frame), frame.height)
            if not self.dead:
                frame.reached = True
                self.jump(frame)
        self.set_unreachable()

    def branch_if(self):
        """br_if: the values stay for the code behind it."""
        frame = self.label()
        condition = self.pop(I32)
        types = self.label_types(frame)
        entries = self.pop_all(types)
        if self.dead:
            for t in types:
                self.push_full(t, "0")
            return
        self.stack.extend(entries)
        self.settle_effects()
        for i in range(len(self.stack) - len(types), len(self.stack)):
            self.settle(i)
        text = condition[1] if condition[4] & 2 else self.clean(condition)[1]
        frame.reached = True
        self.emit("if %s:" % text)
        self.indent += 1
        if frame.kind == FUNCTION:
            self.emit_return(["s%d" % i for i in range(len(self.stack) - len(types), len(self.stack))])
        else:
            at = len(self.stack) - len(types)
            if at != frame.height:
                for i in range(len(types)):
                    self.emit("s%d=s%d" % (frame.height + i, at + i))
            self.jump(frame)
        self.indent -= 1
        self.rely_on(self.facts_of(text, False))
        # The fallen-through values have the label's types.
        at = len(self.stack) - len(types)
        del self.stack[at:]
        for t in types:
            self.push_full(t, "s%d" % len(self.stack))

    def branch_table(self):
        """br_table: all its labels take as many values."""
        frames = self.table_labels()
        index = self.clean(self.pop(I32))
        arity = self.check_table(frames)
        if not self.dead:
            at = len(self.stack) - arity
            for i in range(at, len(self.stack)):
                self.settle(i)
            self.settle_effects()
            self.emit("u=%s" % index[1])
            self.switch(frames, at, arity)
        self.set_unreachable()

    def switch(self, frames, at, arity):
        """Runs of equal targets as a binary tree of tests on `u`."""
        runs = []  # (first index, frame)
        for i in range(len(frames)):
            if not runs or runs[-1][1] is not frames[i]:
                runs.append((i, frames[i]))
        if self.mode.signed and len(runs) > 1:
            # A negative index is a huge one.
            self.emit("if u<0:u=%d" % len(frames))
        if len(runs) > _MANY_RUNS:
            runs = self.look_up(frames, runs)
        self.switch_runs(runs, at, arity)

    def look_up(self, frames, runs):
        """Fewer runs where few targets alternate: `u` is first looked up in a constant."""
        targets = []
        for _, frame in runs:
            if frame not in targets:
                targets.append(frame)
                if len(targets) > 255 or len(targets) * 2 > len(runs):
                    return runs
        numbers = bytes([targets.index(frame) for frame in frames])
        self.constants.append((None, numbers))
        name = "K[%d]" % (len(self.constants) - 1)
        self.emit("u=%s[u if u<%d else %d]" % (name, len(frames), len(frames) - 1))
        return [(i, targets[i]) for i in range(len(targets))]

    def switch_runs(self, runs, at, arity):
        """The tree over some of the runs; `at` is where the values stand."""
        if len(runs) > 1:
            half = len(runs) // 2
            self.emit("if u<%d:" % runs[half][0])
            self.indent += 1
            self.switch_runs(runs[:half], at, arity)
            self.indent -= 1
            self.switch_runs(runs[half:], at, arity)
            return
        frame = runs[0][1]
        frame.reached = True
        if frame.kind == FUNCTION:
            self.emit_return(["s%d" % (at + i) for i in range(arity)])
            return
        if at != frame.height:
            for i in range(arity):
                self.emit("s%d=s%d" % (frame.height + i, at + i))
        self.jump(frame)
