"""The library beside what a user would pick instead: the same policy, the same questions.

Each contestant is a module of its own, in which a library states the policy in its own way, as its
documentation recommends. `same_policy` holds every one of them against the decision table before
anything is timed. What a library does not do by its own means is left out, not written for it.
"""
