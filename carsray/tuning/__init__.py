"""The sweep: Ray Tune schedules, Optuna proposes, ASHA stops, the results folder remembers."""
