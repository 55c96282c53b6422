"""Pauses between tries that fail: doubled up to a most, half of each drawn at random.

A fleet that lost its power or its network at one moment tries again at as many
moments as there are boxes.
"""


class Backoff:
    """rng: an object with below(n); least_ms, most_ms: the first pause and the longest."""

    def __init__(self, rng, least_ms, most_ms):
        self._rng = rng
        self._least_ms = least_ms
        self._most_ms = most_ms
        self._pause_ms = least_ms

    def next_ms(self):
        """The pause after one more failure: between a half and the whole of what is due (ms)."""
        pause_ms = self._pause_ms
        self._pause_ms = min(self._most_ms, pause_ms * 2)
        return pause_ms // 2 + self._rng.below(pause_ms // 2)

    def reset(self):
        """It worked: the next pause is a first one again."""
        self._pause_ms = self._least_ms
