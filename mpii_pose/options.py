"""Options that are one of a few."""

from collections.abc import Collection


def check_choice(name: str, choice: object, known: Collection[str]) -> None:
    """Raises ValueError where an option is none of those there are."""
    if choice not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {choice!r}")
