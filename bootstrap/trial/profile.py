"""Fuel by function: the translator writes one more line wherever it charges fuel.

A box never does this.  Only translated code can be counted so; fuel is the same on
every engine.  Each charge is added to its function's sum before the meter looks,
and what WASI calls and memory.copy and memory.fill charge is read off the meter, so
that the rows add up to the meter's total.
"""

from ...agent.container import admission
from ...agent.container.translated.code import Lowering
from ...agent.container.translated.translate import Translator


class Profile:
    """Counts of one run.  fuel, calls: by function index."""

    def __init__(self):
        self.fuel = []
        self.calls = []
        self.hosts = {}  # WASI call's name: [calls, fuel]
        self.last = [0]  # the function that was charged last
        self.instance = None

    def prepare(self, names, count):
        """Make generated code see the counts: `names` are its globals."""
        self.fuel = [0] * count
        self.calls = [0] * count
        self.names = names
        names["P"] = self.fuel
        names["C"] = self.calls
        names["D"] = self.last
        names["B"] = self.bulk

    def watch(self, instance):
        """Count the WASI calls of this instance, not started yet."""
        self.instance = instance
        bind = instance.wasi.bind
        instance.wasi.bind = lambda name: self.counted(name, bind(name))

    def counted(self, name, call):
        """A WASI call that is counted."""
        row = self.hosts[name] = [0, 0]

        def counting(*args):
            before = self.instance.used()
            row[0] += 1
            try:
                return call(*args)
            finally:
                row[1] += self.instance.used() - before

        return counting

    def bulk(self, index, name, *args):
        """memory.copy or memory.fill in function `index`."""
        before = self.instance.used()
        try:
            self.names[name](*args)
        finally:
            self.fuel[index] += self.instance.used() - before

    def rows(self, total):
        """[[function index or WASI call's name, calls, fuel]] of what was called; the fuels add up to `total`."""
        rows = [[i, self.calls[i], self.fuel[i]] for i in range(len(self.fuel)) if self.calls[i] or self.fuel[i]]
        rows += [[name, calls, fuel] for name, (calls, fuel) in self.hosts.items() if calls]
        beyond = sum([row[2] for row in rows]) - total
        if beyond > 0:
            # The last charge was more than there was left.
            for row in rows:
                if row[0] == self.last[0]:
                    row[2] -= beyond
        return rows


class ProfilingTranslator(Translator):
    """Writes the counts into the code."""

    head = False

    def enter(self, signature, shape):
        """The head of a function, whose first charge is a call of it."""
        self.head = True
        Translator.enter(self, signature, shape)

    def fuel(self, cost):
        """A charge of this cost, counted for the function at hand."""
        i = self.index
        if self.head:
            self.head = False
            self.emit("C[%d]+=1" % i)
        if cost:
            self.emit("D[0]=%d;P[%d]+=%d" % (i, i, cost))
            Translator.fuel(self, cost)

    def emit(self, text):
        if text.startswith("mcopy(") or text.startswith("mfill("):
            text = 'B(%d,"%s",%s' % (self.index, text[:5], text[6:])
        Translator.emit(self, text)


class ProfilingLowering(Lowering):
    """Makes the code of a module, with counts."""

    def __init__(self, module, mode, limits, profile):
        Lowering.__init__(self, module, mode, limits)
        profile.prepare(self.names, len(module.functions))
        self.translator = ProfilingTranslator(module, mode, limits, self.constants)


class Admission(admission.Admission):
    """Admits a program whose fuel is counted by function."""

    def __init__(self, data, limits, profile):
        admission.Admission.__init__(self, data, limits, engine="translated")
        self.profile = profile

    def lower(self):
        """Likewise, with counts."""
        return ProfilingLowering(self.module, self.mode, self.limits, self.profile)
