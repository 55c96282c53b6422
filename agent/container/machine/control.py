"""Constructs, branches and calls, lowered to jumps."""

from .. import validate
from ..reader import I32
from ..validate import FUNCTION, IF, LOOP
from .words import UNREACHABLE
from .slots import SLOT, SLOT_BYTES, Slots, wide


class Frame(validate.Frame):
    """A construct being lowered."""

    def __init__(self, kind, params, results, height, number):
        validate.Frame.__init__(self, kind, params, results, height, number)
        self.start = 0  # where a loop's round begins
        self.ends = []  # words to be filled with the place behind the end
        self.other = -1  # the word to be filled with the place of an `else`


class Control(Slots):
    """Instructions 0x00..0x11."""

    def begin_control(self, shape, signature):
        """Open the function itself, the outermost construct."""
        self.shape = shape
        self.constructs = 0
        self.frames.append(Frame(FUNCTION, (), signature[1], 0, 0))

    # Constructs.

    def begin_block(self, kind):
        """block, loop and if."""
        params, results = self.block_type()
        test = self.condition(True) if kind == IF else None
        self.stack.extend(self.pop_all(params))
        self.constructs += 1
        frame = Frame(kind, params, results, len(self.stack) - len(params), self.constructs)
        frame.born_dead = self.dead
        if not self.dead:
            self.settle_locals()
            self.settle_from(frame.height)
            if kind == IF:
                frame.other = self.branch_on(test)
            elif kind == LOOP:
                frame.start = self.here()
                cost = self.shape.costs[frame.number]
                if cost:
                    self.put("fuel", cost)
        self.target = -1
        self.frames.append(frame)
        self.restart(frame, params)

    def begin_else(self):
        """The other side of an `if`."""
        frame = self.check_else()
        self.fall(frame)
        frame.has_else = True
        if not frame.born_dead:
            if not self.dead:
                self.jump(frame)
            self.dead = False
            self.words[frame.other] = self.here()
            frame.other = -1
        frame.unreachable = False
        self.restart(frame, frame.params)

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
            if frame.other >= 0:
                self.lead(frame.other, frame)
            self.dead = self.dead and not frame.reached
            place = self.here()
            for at in frame.ends:
                self.words[at] = place
        self.frames.pop()
        self.restart(frame, frame.results)
        if frame.born_dead:
            self.dead = True
        return False

    def restart(self, frame, types):
        """The stack as it is where a label's values are all there is above the frame's height."""
        stack = self.stack
        del stack[frame.height :]
        for t in types:
            self.push_slot(t)

    def fall(self, frame):
        """Run off the end of a construct: its results go to their places."""
        entries = self.pop_all(frame.results)
        self.place(entries, frame.results, frame.height)
        self.check_empty(frame)

    def place(self, entries, types, height):
        """Bring values into the slots from depth `height` on; each comes from there or above."""
        if not self.dead:
            for i in range(len(entries)):
                self.load(self.slot(height + i), entries[i])

    # Branches.

    def jump(self, frame):
        """Go to the label of `frame`; its values are in place."""
        self.put("br", 0)
        self.lead(len(self.words) - 1, frame)

    def lead(self, at, frame):
        """Let the word at `at` lead to the label of `frame`, now or when its place is known."""
        if frame.kind == LOOP:
            self.words[at] = frame.start
        else:
            frame.ends.append(at)
            frame.reached = True

    def condition(self, turn):
        """Pop an i32 as the test of a branch, of its opposite with `turn`; (name, operands)."""
        if self.waiting is None:
            slot = self.pop_slot(I32)
            return ("z" if turn else "nz"), (slot,)
        if turn:
            self.turned()
        test, self.waiting = self.waiting, None
        self.pop(I32)
        return test

    def branch_on(self, test):
        """Write the branch of a test; the word to be filled with where it goes."""
        self.put("br" + test[0], *(test[1] + (0,)))
        return len(self.words) - 1

    def branch(self):
        """br: what follows cannot be reached."""
        frame = self.label()
        if frame.kind == FUNCTION:
            self.leave()
        else:
            entries = self.pop_all(self.label_types(frame))
            self.place(entries, self.label_types(frame), frame.height)
            if not self.dead:
                self.jump(frame)
        self.set_unreachable()

    def branch_if(self):
        """br_if: the values stay for the code behind it."""
        frame = self.label()
        types = self.label_types(frame)
        if self.dead:
            self.pop(I32)
            self.pop_all(types)
            for t in types:
                self.push_slot(t)
            return
        direct = frame.kind != FUNCTION and (not types or len(self.stack) - 1 - len(types) == frame.height)
        test = self.condition(not direct)
        self.stack.extend(self.pop_all(types))
        at = len(self.stack) - len(types)
        self.settle_from(at)
        word = self.branch_on(test)
        if direct:
            self.lead(word, frame)
            self.target = -1
        else:
            self.go(frame, types)
            self.words[word] = self.here()
        # The values that stay have the label's types.
        del self.stack[at:]
        for t in types:
            self.push_slot(t)

    def go(self, frame, types):
        """Take values along to a label, or return with them; they stand in their slots."""
        depth = len(self.stack) - len(types)
        entries = [(types[i], SLOT, self.slot(depth + i)) for i in range(len(types))]
        if frame.kind == FUNCTION:
            self.give(entries, types)
        else:
            self.place(entries, types, frame.height)
            self.jump(frame)

    def branch_table(self):
        """br_table: all its labels take as many values."""
        frames = self.table_labels()
        index = self.pop_slot(I32)
        arity = self.check_table(frames)
        if not self.dead:
            at = len(self.stack) - arity
            self.settle_from(at)
            self.put("table", index, len(frames) - 1)
            first = len(self.words)
            for _ in frames:
                self.words.append(0)
            self.switch(frames, first, at)
        self.set_unreachable()

    def switch(self, frames, first, at):
        """Fill the words of a table from `first` on; values to be moved get a stop on the way."""
        stops = {}
        for i in range(len(frames)):
            frame = frames[i]
            types = self.label_types(frame)
            if frame.kind != FUNCTION and (not types or at == frame.height):
                self.lead(first + i, frame)
                continue
            if frame.number not in stops:
                stops[frame.number] = self.here()
                self.go(frame, types)
            self.words[first + i] = stops[frame.number]

    # Calls.

    def leave(self):
        """Return from the function with the values on the stack."""
        results = self.frames[0].results
        self.give(self.pop_all(results), results)

    def give(self, entries, types):
        """Return `entries`."""
        if self.dead:
            return
        if len(types) == 1 and not wide(types[0]) and entries[0][1]:
            self.put("ret32", entries[0][2])
            return
        if len(types) > 1:
            # Results go where locals are: none may still be needed from there.
            depth = len(self.stack)
            for i in range(len(types)):
                self.load(self.slot(depth + i), entries[i])
            entries = [(types[i], SLOT, self.slot(depth + i)) for i in range(len(types))]
            self.deepest = max(self.deepest, depth + len(types))
        for i in range(len(types)):
            self.load(i * SLOT_BYTES, entries[i])
        self.put("ret")

    def trap(self):
        """unreachable."""
        self.put("trap", UNREACHABLE)

    def call(self):
        """call: the arguments stand where the new frame's locals will be."""
        i, (params, results) = self.function_type()
        base = self.arguments(params)
        if not self.dead:
            self.put("call", 0, base)
            self.calls.append(len(self.words) - 2)
            self.words[-2] = i
        for t in results:
            self.push_slot(t)

    def call_indirect(self):
        """call_indirect: the table and the type are looked at when it runs."""
        i, (params, results) = self.indirect_type()
        index = self.pop_slot(I32)
        # An index in its own slot stands where the new frame's first local will: it is read before.
        base = self.arguments(params)
        self.put("calli", index, self.module.canon[i], base)
        for t in results:
            self.push_slot(t)

    def arguments(self, types):
        """Pop a call's arguments, each in its slot; the place of the new frame."""
        entries = self.pop_all(types)
        depth = len(self.stack)
        if not self.dead:
            for i in range(len(entries)):
                self.load(self.slot(depth + i), entries[i])
        self.deepest = max(self.deepest, depth + len(types))
        return self.slot(depth)
