"""Training one trial. Knows nothing of Ray, Optuna or trackers; the caller owns the loop."""
