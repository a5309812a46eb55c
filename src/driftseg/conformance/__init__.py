"""Laws that encoders, methods and datasets keep, checked on any of them."""
