"""The address under which `Exchange` was first documented. It lives in `execution`."""

from connect_core.conformance.execution import Exchange

__all__ = ["Exchange"]
