"""The data set that carsray draws itself: toy cars, a folder per model."""
