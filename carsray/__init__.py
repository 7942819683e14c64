"""carsray: hyper-parameter search for fine-grained image classification, on Ray."""

__version__ = "0.1.0"
