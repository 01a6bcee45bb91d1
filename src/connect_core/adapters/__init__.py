"""Adapters: they connect the core to databases and to the command line. Each needs an extra."""
