"""A shuffle that we began, and how we came to ask that peer."""

# Its link, taken out of the view; its link, which stays there; as a partner; as an old
# contact; as one that was named and may become a partner.
LINK, KEPT, PARTNER, CONTACT, TRIAL = range(5)


class Question:
    """A shuffle that waits for its answer."""

    __slots__ = ("exchange", "peer", "how", "sent", "message", "tries", "due")

    def __init__(self, exchange, peer, how, sent, message, due):
        self.exchange = exchange
        self.peer = peer
        self.how = how
        self.sent = sent  # identities of the links that went along
        self.message = message
        self.tries = 1
        self.due = due
