"""What keeps points of a process apart: copies, undone changes, seeds, traces."""
