"""One thing that the doctor looked at."""

import dataclasses
import enum
import functools


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


fine = functools.partial(Diagnosis, State.FINE)
note = functools.partial(Diagnosis, State.NOTE)
problem = functools.partial(Diagnosis, State.PROBLEM)


def some(names: list[str]) -> str:
    """Returns the first names of a list, for a message."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
