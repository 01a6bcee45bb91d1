"""Realistic faulty implementations, for measuring how many of them the conformance kit detects.

Each is the reference with one fault that a competent programmer might make. They were written from
the specification alone, without looking at the vectors or at the generators.
"""

from defects import answers, documents, identity, storage, terms
from defects.catalogue import DEFECTS, KINDS, Defect

__all__ = ["DEFECTS", "KINDS", "Defect", "answers", "documents", "identity", "storage", "terms"]
