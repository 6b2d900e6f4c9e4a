"""Mutated .tflite files for the reader and the engine; `python -m tests.fuzz --help`."""
