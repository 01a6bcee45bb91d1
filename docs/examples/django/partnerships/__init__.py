"""Partnerships: a table of our own, under the policy of connect-core."""
