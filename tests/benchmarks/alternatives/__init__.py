"""The library compared with its alternatives: the same policy, the same questions.

Each contestant has a module of its own, which states the policy in one library's way, as its
documentation recommends. `same_policy` compares each of them with the decision table before
anything is timed. What a library does not do itself is left out, not written for it.
"""
