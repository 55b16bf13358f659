"""Aligners: from a matrix of evidence to the runs in which two films play in step."""

from retrieval.match_aligners.base import AlignedRun, Aligner, EvidenceMatrix
from retrieval.match_aligners.registry import ALIGNERS, create_aligner

__all__ = ["ALIGNERS", "AlignedRun", "Aligner", "EvidenceMatrix", "create_aligner"]
