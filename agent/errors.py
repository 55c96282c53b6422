"""The two error families: the other side is wrong, or we are."""


class RemoteError(Exception):
    """The other side is wrong: bytes from a peer, broker or file break a rule.

    The receiver drops what it was given, counts it and goes on.  Nothing that
    raised this has been applied, not even in part.
    """


class UnknownKey(RemoteError):
    """Signed by a key that we do not know, or not yet: it need not be the sender's fault."""


class LocalError(Exception):
    """Our own caller is wrong: a bug or a misuse on this box."""
