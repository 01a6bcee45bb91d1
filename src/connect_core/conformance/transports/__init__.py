"""Transports: how the kit calls systems that run in another process."""
