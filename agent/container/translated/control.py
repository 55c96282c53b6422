"""Structured control flow, lowered to Python.

A block or loop that is branched to becomes a `while`, numbered by its nesting
among them: `break` leaves a block, `continue` repeats a loop, and a loop's body
that runs off its end breaks.  A branch over several of them sets `b` to the number
it is going to and breaks; after each `while` on the way stands a test of `b`.
(b is 99 otherwise.)  structure.py says which labels need no `while`, and which
branches no `b`.

Where a loop and all in it calls nothing, its fuel is counted in the local x, which
is five times as fast as the global F; `finally` writes F however the loop is left,
and catches nothing.

Where constructs nest too deeply for Python, the flat lowering makes the whole
function one `while` over numbered segments: a jump sets `p` and continues, and
each segment is entered when p is at most its number.
"""

from .. import validate
from ..validate import FUNCTION, IF, LOOP
from .alignment import follow
from .numeric import Numeric
from .structure import breaks

# Segments are guarded in groups, so that a jump tests few of them.
_GROUP = 16


class Frame(validate.Frame):
    """A construct being translated."""

    def __init__(self, kind, params, results, height, number):
        validate.Frame.__init__(self, kind, params, results, height, number)
        self.level = 0  # its `while`'s number, 0: it has none
        self.over = False  # a branch from inside goes beyond its `while`
        self.lands = False  # such a branch ends here, with b set
        self.exits = False  # a `break` goes to its end, or to one that is at the same place
        self.passes = None  # the label that every branch out of its `while` goes to
        self.quiet = False  # its fuel is counted in x, from here inwards
        self.indent = 0
        self.body = 0  # where its body begins in the source
        self.before = 0  # locals that are multiples of four where it begins, as bits
        self.kept = 0  # those of them that are so throughout
        self.otherwise = ()  # what an `else` may rely on: what holds where the condition does not


class Control(Numeric):
    """Instructions 0x00..0x11, without the calls."""

    def begin_control(self, shape, signature):
        """Open the function itself, the outermost construct."""
        self.shape = shape
        self.constructs = 0
        self.level = 0
        self.segment = 0
        frame = Frame(FUNCTION, (), signature[1], 0, 0)
        self.frames.append(frame)
        frame.body = self.out.size

    def begin_block(self, kind):
        """block, loop and if."""
        params, results = self.block_type()
        condition = self.condition() if kind == IF else None
        entries = self.pop_all(params)
        self.constructs += 1
        number = self.constructs
        frame = Frame(kind, params, results, len(self.stack), number)
        self.stack.extend(entries)
        frame.born_dead = self.dead
        frame.indent = self.indent
        if not self.dead:
            self.settle_all()
            # Parameters live in their own locals, constants too: a loop may change them.
            for i in range(frame.height, len(self.stack)):
                self.settle(i)
            if self.shape.flat:
                self.begin_flat(frame, condition)
            else:
                self.begin_nested(frame, condition)
        self.frames.append(frame)
        self.restart(frame, params)
        frame.before = self.aligned
        if self.alignment:
            frame.kept = self.alignment.kept(number, self.aligned)
        if kind == LOOP:
            self.aligned = frame.kept
        elif kind == IF:
            frame.otherwise = self.facts_of(condition, False)
            self.rely_on(self.facts_of(condition, True))

    def follow_alignment(self, params, shape):
        """Look through the body for what keeps locals multiples of four, if that is of use."""
        self.alignment = None
        self.aligned = 0
        if shape.memory and self.mode.words:
            self.alignment = follow(self.data, self.pos, self.end, params, self.locals)
            self.aligned = self.alignment.zeros

    def fuel(self, cost):
        if cost and self.quiet:
            self.emit("if (x:=x-%d)<0:x=V(x)" % cost)
        elif cost:
            self.emit("if (F:=F-%d)<0:T()" % cost)

    # The nested lowering.

    def begin_nested(self, frame, condition):
        """Open the Python suites of a construct; `condition` is the text of an `if`."""
        shape, number = self.shape, frame.number
        if shape.whiles[number]:
            if frame.kind == LOOP and not self.quiet and not shape.calls[number]:
                self.quiet = frame.quiet = True
                self.emit("x=F")
                self.emit("try:")
                self.indent += 1
            self.level += 1
            frame.level = self.level
            self.emit("while 1:")
            self.indent += 1
            frame.body = self.out.size
        if frame.kind == LOOP:
            self.ranges.clear()
            self.fuel(shape.costs[number])
        elif frame.kind == IF:
            self.emit("if %s:" % condition)
            self.indent += 1
            frame.body = self.out.size

    def jump(self, frame):
        """Go to the label of `frame`; its values are in place."""
        if self.shape.flat:
            shape, i = self.shape, frame.number
            self.emit("p=%d;continue" % (shape.starts[i] if frame.kind == LOOP else shape.ends[i]))
            return
        inner = None
        for other in self.frames:
            if other.level and other.level == self.level:
                inner = other
        if inner is frame and frame.kind == LOOP:
            self.emit("continue")
            return
        if inner is frame or inner and breaks(self.shape, inner.number, frame.number):
            inner.exits = True
            self.emit("break")
            return
        if inner and self.shape.exclusive[inner.number]:
            inner.passes = frame
            self.emit("break")
            return
        for other in self.frames:
            if other.level > frame.level:
                other.over = True
        frame.lands = True
        self.emit("b=%d;break" % frame.level)

    def end_nested(self, frame):
        """The end of a construct's Python suites."""
        falls = not self.dead
        if frame.kind == IF:
            self.close(frame)
        if frame.level:
            self.indent = frame.indent + (2 if frame.quiet else 1)
            if falls or frame.kind == IF:
                self.dead = False
                self.emit("break")
            else:
                self.close(frame)
            self.level -= 1

    def close(self, frame):
        """A Python suite needs a statement."""
        if self.out.size == frame.body:
            dead, self.dead = self.dead, False
            self.emit("pass")
            self.dead = dead

    def after_while(self, frame, falls):
        """Behind the `while` of `frame`: pass on a branch that goes further out."""
        self.indent = frame.indent
        if frame.quiet:
            self.quiet = False
            self.dead = False
            self.emit("finally:F=x")
        if frame.passes:
            self.dead = False
            self.jump(frame.passes)
            self.dead = True
            return
        if frame.over:
            outer = self.level
            parent = None
            for other in self.frames:
                if other.level == outer and outer:
                    parent = other
            self.dead = False
            test = "if b<%d:" % frame.level
            if parent.kind == LOOP and parent.lands:
                self.emit(test)
                self.indent += 1
                if parent.over:
                    self.emit("if b<%d:break" % outer)
                self.emit("b=99;continue")
                self.indent -= 1
            elif falls:
                self.emit(test + "break")
            else:
                self.emit("break")
        self.dead = not falls
        if frame.lands and frame.kind != LOOP:
            self.emit("b=99")

    # The flat lowering.

    def begin_flat(self, frame, condition):
        """Begin the segment of a loop, or skip that of an `if` not taken."""
        shape, number = self.shape, frame.number
        if frame.kind == LOOP:
            self.segment_begins(shape.starts[number])
            self.ranges.clear()
            self.fuel(shape.costs[number])
        elif frame.kind == IF:
            other = shape.elses[number] or shape.ends[number]
            self.emit("if not %s:p=%d;continue" % (condition, other))

    def segment_begins(self, number):
        """Write the guard of segment `number`; alive or dead, its suite must not be empty."""
        dead, self.dead = self.dead, False
        group = number // _GROUP
        if group != self.segment // _GROUP or not self.segment:
            self.indent = 2
            self.emit("if p<%d:" % ((group + 1) * _GROUP))
        self.segment = number
        self.indent = 3
        self.emit("if p<=%d:" % number)
        self.indent = 4
        self.emit("pass")
        self.dead = dead

    def flat_start(self):
        self.emit("p=0")
        self.emit("while 1:")
        self.segment = 0
        self.segment_begins(0)

    # What both share.

    def begin_else(self):
        """The other side of an `if`."""
        frame = self.check_else()
        self.fall(frame)
        frame.has_else = True
        flat = self.shape.flat
        if not frame.born_dead:
            if flat:
                if not self.dead:
                    frame.reached = True
                    self.emit("p=%d;continue" % self.shape.ends[frame.number])
                self.dead = False
                self.segment_begins(self.shape.elses[frame.number])
            else:
                if not self.dead:
                    frame.reached = True
                self.close(frame)
                self.dead = False
                self.indent -= 1
                self.emit("else:")
                self.indent += 1
                frame.body = self.out.size
        self.ranges.clear()
        self.rely_on(frame.otherwise)
        self.aligned = frame.before
        frame.unreachable = False
        self.restart(frame, frame.params)

    def restart(self, frame, types):
        """The stack as it is where a label's values are all there is above the frame's height."""
        stack = self.stack
        del stack[frame.height :]
        for t in types:
            self.push_full(t, "s%d" % len(stack))

    def fall(self, frame):
        """Run off the end of a construct: its results go to their places."""
        self.place(frame.results, frame.height)
        self.check_empty(frame)

    def place(self, types, height):
        """Pop values of `types` and write them to the locals from `height` on."""
        entries = self.pop_all(types)
        if self.dead or not entries:
            return
        at = len(self.stack)
        self.settle_effects()
        if at == height:
            # Values already in their places stay there.
            self.stack.extend(entries)
            for i in range(at, len(self.stack)):
                self.settle(i)
            del self.stack[at:]
        else:
            for i in range(len(entries)):
                text = self.clean(entries[i])[1]
                name = "s%d" % (height + i)
                if text != name:
                    self.emit("%s=%s" % (name, text))

    def end_block(self):
        """The end of the innermost construct; True when it was the function."""
        frame = self.check_end()
        if frame.kind == FUNCTION:
            self.leave()
            self.check_empty(frame)
            self.frames.pop()
            return True
        self.fall(frame)
        if not frame.born_dead:
            self.end_alive(frame)
        self.frames.pop()
        self.restart(frame, frame.results)
        self.ranges.clear()
        self.aligned = frame.kept
        if frame.born_dead:
            self.dead = True
        return False

    def end_alive(self, frame):
        """Close a construct that could be entered; find whether its end is reached."""
        falls = not self.dead
        if frame.kind == LOOP:
            reached = falls or frame.exits
        else:
            reached = falls or frame.exits or frame.reached or (frame.kind == IF and not frame.has_else)
        if self.shape.flat:
            if frame.kind != LOOP:
                self.segment_begins(self.shape.ends[frame.number])
            self.dead = not reached
            return
        self.end_nested(frame)
        if frame.level:
            self.frames.pop()
            self.after_while(frame, reached)
            self.frames.append(frame)
        else:
            self.indent = frame.indent
            self.dead = not reached

    def leave(self):
        """Return from the function with the values on the stack."""
        entries = self.pop_all(self.frames[0].results)
        if not self.dead:
            # What stays below may still trap, and traps before the return.
            self.settle_effects()
            self.emit_return([self.clean(e)[1] for e in entries])

    def emit_return(self, texts):
        self.emit("return " + (texts[0] if len(texts) == 1 else "(%s)" % ",".join(texts)) if texts else "return")
