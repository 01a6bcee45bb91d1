"""An alias: `Exchange` was first documented here. It is defined in `execution`."""

from connect_core.conformance.execution import Exchange

__all__ = ["Exchange"]
