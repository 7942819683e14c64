"""A workspace and a report in W&B, made by code from a sweep's record."""
