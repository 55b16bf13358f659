"""Turns one float32 ONNX network into a smaller or quicker one; no torch.

`int8` makes integers of 8 bits for ONNX Runtime, `int8_openvino` for OpenVINO, `stored` keeps
weights in half the bytes. `retrieval.encoders.convert` chooses between them for an encoder's
networks, `adapters.training.compress` uses `int8` for the built-in encoder.
"""
