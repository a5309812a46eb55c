"""Laws of encoders, methods and datasets, and their checks."""
