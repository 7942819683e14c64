"""The winner proved and handed over: finalists over seeds, the last training, the package that runs elsewhere."""
