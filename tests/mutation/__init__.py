"""Mutation testing, of the tests (`__main__`) and of the conformance kit (`conformance`)."""
