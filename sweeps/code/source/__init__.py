"""Source code as data: files, names, scopes, and the normal form of a piece of source."""
