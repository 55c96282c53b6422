"""What goes wrong in the scale model."""


class ScaleError(Exception):
    """What a person can put right, in one line."""
