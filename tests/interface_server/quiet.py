"""The part of a receiver that tests without a loss of data need not write; asserts nothing."""

from channel_layer.layer import Awaited, OpenSocket


class Untroubled:
    """Is not registered, awaits nothing and loses nothing."""

    def registration(self) -> OpenSocket | None:
        return None

    def awaited(self) -> Awaited | None:
        return None

    def lost(self, order: int) -> bool:
        return False

    def missed(self) -> None:
        """Nothing to be done."""

    def reaped(self) -> None:
        """Nothing to be done."""
