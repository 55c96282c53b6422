"""A greeting that we began: what is known of it so far, and what waits for its end."""

from .descriptor import ADDRESS_MOST


class Hail:
    """A greeting we began, with the messages that wait for it.

    moved: a session stands, but the box may not be where it was.
    """

    def __init__(self, id, addr, index, nonce, now_ms, moved):
        self.id = id
        self.addr = addr
        self.moved = moved
        self.index = index
        self.nonce = nonce
        self.hello = None
        self.secret = None  # of the box we greet, once computed
        self.thinking = False
        self.tries = 0
        self.due = now_ms
        self.pending = []

    def turn(self, addr):
        """We are told addr meanwhile: if that is a way, and what we tried is none, it is better."""
        if len(addr) > ADDRESS_MOST >= len(self.addr) and not self.thinking:
            self.addr, self.hello, self.tries = addr, None, 0
