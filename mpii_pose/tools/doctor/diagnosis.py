"""One thing that the doctor looked at."""

import dataclasses
import enum
from collections.abc import Iterable


class State(enum.Enum):
    """How it stands with a thing."""

    FINE = "ok"
    NOTE = "note"  # Worth knowing; nothing has to be done.
    PROBLEM = "PROBLEM"  # Something will not work.


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
        indent = " " * 9
        return f"{self.state.value:8} {self.text}".replace("\n", f"\n{indent}")


def fine(text: str) -> Diagnosis:
    """Returns that something is as it should be."""
    return Diagnosis(State.FINE, text)


def note(text: str) -> Diagnosis:
    """Returns what is worth knowing."""
    return Diagnosis(State.NOTE, text)


def problem(text: str) -> Diagnosis:
    """Returns that something is wrong."""
    return Diagnosis(State.PROBLEM, text)


def count_problems(diagnoses: Iterable[Diagnosis]) -> int:
    """Returns how many of `diagnoses` are problems."""
    return sum(diagnosis.state is State.PROBLEM for diagnosis in diagnoses)
