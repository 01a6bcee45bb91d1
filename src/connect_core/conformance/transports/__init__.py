"""Transports: how the kit calls systems that are not Python objects: a process, an HTTP service.

Each makes objects that are a `System`. None of them judges answers.
"""
