"""What `import driftseg` offers; the command line is its first user."""
