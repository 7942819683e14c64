"""What is handed over: a folder that answers elsewhere, with carsray and without."""
