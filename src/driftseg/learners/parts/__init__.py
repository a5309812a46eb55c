"""What update rules share, as functions and small classes."""
