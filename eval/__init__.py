"""Measuring: metrics as pure functions, and benchmarks that run the Engine beside its peers."""
