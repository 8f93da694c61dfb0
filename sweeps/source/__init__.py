"""Source code as data: its normal form, and all that a piece of it reaches in a project."""
