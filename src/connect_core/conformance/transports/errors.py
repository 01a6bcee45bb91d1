"""The error of every transport."""

from connect_core.conformance.execution import BrokenSystemError


class PeerError(BrokenSystemError):
    """What is tested cannot be called any more, or does not speak the protocol of its transport.

    It is not a verdict: it ends the run, which then says nothing about conformance. A process has
    been stopped.
    """
