"""Nearest neighbours over arrays: an exact oracle and fast backends behind one interface."""
