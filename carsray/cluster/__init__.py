"""Ray itself: connecting to it and asking what it holds."""
