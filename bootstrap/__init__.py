"""What runs at the ISP, and on whose laptop work is sent from:

    from backfence.bootstrap import Executor, TaskFailed
"""


def __getattr__(name):
    """Executor and TaskFailed (operator/executor.py), imported when they are asked for: the controller has no use for them."""
    if name in ("Executor", "TaskFailed"):
        from .operator import executor

        return getattr(executor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
