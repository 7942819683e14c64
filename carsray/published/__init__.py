"""Published experiments: described in a file, run, and compared with the published numbers."""
