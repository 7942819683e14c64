"""Visual search as a service: an exported model behind HTTP, with a page for people."""
