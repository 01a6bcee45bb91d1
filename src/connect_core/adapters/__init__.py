"""Adapters: what joins the core to the world outside. Each needs an extra."""
