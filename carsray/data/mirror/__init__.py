"""Stanford Cars from a mirror: download, unpack, count."""
