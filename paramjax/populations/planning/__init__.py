"""Planning: layouts, memory and measured time of a population."""
