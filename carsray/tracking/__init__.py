"""W&B beside the record: runs made from the results folder, and dashboards by code."""
