"""One thing that the doctor looked at."""

import dataclasses
import enum


class State(enum.Enum):
    """How it stands with a thing, the worst first."""

    PROBLEM = "PROBLEM"  # Something will not work.
    NOTE = "note"  # Worth knowing; nothing has to be done.
    FINE = "ok"


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        state: How it stands.
        text: What was found and, where it is wrong, what to do; one sentence or two.
    """

    state: State
    text: str

    def __str__(self) -> str:
        return f"{self.state.value:8} {self.text}".replace("\n", "\n" + 9 * " ")


def fine(text: str) -> Diagnosis:
    """Returns that something is as it should be."""
    return Diagnosis(State.FINE, text)


def note(text: str) -> Diagnosis:
    """Returns what is worth knowing."""
    return Diagnosis(State.NOTE, text)


def problem(text: str) -> Diagnosis:
    """Returns that something is wrong."""
    return Diagnosis(State.PROBLEM, text)


def some(names: list[str]) -> str:
    """Returns the first names of a list, for a message."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
