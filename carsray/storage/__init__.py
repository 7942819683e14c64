"""What outlives a machine: buckets and shared folders, the mirror of a sweep's record there, and its lease."""
