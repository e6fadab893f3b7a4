"""What an estimation found as a table: for a terminal, a notebook, a paper."""
