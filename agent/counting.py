"""The counters of one box."""


class Counters:
    """Counts by name; counters.py has the names and what they mean."""

    def __init__(self):
        self._values = {}

    def bump(self, name, count=1):
        """Add count (int) to the counter called name."""
        # Without try: a call with more than eleven words of state takes heap on
        # MicroPython, and there is no call that is made more often.
        values = self._values
        values[name] = values[name] + count if name in values else count

    def __getitem__(self, name):
        """The value of a counter, 0 if it never moved."""
        return self._values.get(name, 0)

    def nonzero(self):
        """dict of the counters that moved."""
        return dict(self._values)
