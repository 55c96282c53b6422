"""The counters of one box."""


class Counters:
    """Counts by name; counters.py has the names and what they mean."""

    def __init__(self):
        self._values = {}

    def bump(self, name, count=1):
        """Add count (int) to the counter called name."""
        try:
            self._values[name] += count
        except KeyError:
            self._values[name] = count

    def __getitem__(self, name):
        """The value of a counter, 0 if it never moved."""
        return self._values.get(name, 0)

    def nonzero(self):
        """dict of the counters that moved."""
        return dict(self._values)
