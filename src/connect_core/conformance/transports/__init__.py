"""Transports: systems that run elsewhere, and how the kit talks to them."""
