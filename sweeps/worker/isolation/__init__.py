"""What keeps the points of a process apart: copies, undone changes, seeds, traces."""
