"""What ends a run with a message instead of a traceback."""

__all__ = ["BenchmarkError"]


class BenchmarkError(Exception):
    """Something needed is missing or did not answer as it must; the message says what."""
