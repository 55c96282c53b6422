"""The one error family that the operator's commands show to people."""


class OperatorError(Exception):
    """Something a person can put right.

    `message` says what is wrong in one line, `hint` what to do about it.
    The command line prints them as "Error: message" and "Hint: hint".
    """

    def __init__(self, message, hint=""):
        super().__init__(message)
        self.message = message
        self.hint = hint
