"""bokehbench: runtime and fidelity of .tflite models, measured on the device itself."""

__version__ = "0.1.0"
