"""Frozen encoders: media and text in, unit-norm embeddings out.

`base` holds the three interfaces; one file per family implements them.
"""
