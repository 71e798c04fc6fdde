"""Planning: the worklist that saves most within the capacity of the crews."""
