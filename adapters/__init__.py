"""Learned maps over embeddings: prompts, heads and alignment, with the code that trains them."""
