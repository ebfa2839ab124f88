"""Times against torch, ONNX Runtime and JAX on this machine: parity first, then rounds taken in turns."""
