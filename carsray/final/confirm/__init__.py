"""The finalists repeated on fresh pictures, how certain their means are, and the winner."""
