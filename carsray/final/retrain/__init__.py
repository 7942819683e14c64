"""The winner trained once more, on train and val, and the test set, opened once."""
