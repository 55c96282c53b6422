"""The numbers all data comes from: Numerical Recipes' linear congruential generator."""


class Draw:
    """The same numbers as kernel.h's draw()."""

    def __init__(self):
        self.seed = 1

    def next(self):
        """A number of 24 bits."""
        self.seed = (self.seed * 1664525 + 1013904223) & 0xFFFFFFFF
        return self.seed >> 8
