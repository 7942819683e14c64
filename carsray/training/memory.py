"""Telling from what is said that memory was lacking. Imports no torch."""

NO_MEMORY = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "unable to find an engine", "MemoryError")
"""How the processor's allocator, CUDA, its libraries, cuDNN's choice of an algorithm, and Python say so."""
MOST_PARTS = 64
"""A batch is cut into twice as many parts each time that memory is lacking; with more than these it lacks elsewhere."""


def for_lack_of_memory(error: Exception) -> bool:
    """Whether an error was for lack of memory: torch has a type of its own only where its allocator found none."""
    return isinstance(error, RuntimeError | MemoryError) and lacks_memory(f"{type(error).__name__}: {error}")


def lacks_memory(problem: str) -> bool:
    """Whether an error was for lack of memory, by its text."""
    return any(words in problem for words in NO_MEMORY)
