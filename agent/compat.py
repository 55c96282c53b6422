"""What differs between MicroPython and CPython, in one place."""

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython's stand-in for MicroPython's compile-time constant."""
        return value
