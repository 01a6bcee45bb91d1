"""Partnerships: a table of our own, judged by the policy of connect-core."""
