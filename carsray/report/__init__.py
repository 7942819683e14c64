"""One self-contained HTML page of a sweep: charts drawn here as SVG, no library and no network in the page."""
