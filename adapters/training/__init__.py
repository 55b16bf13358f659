"""Training code: the only files here that may import torch."""
