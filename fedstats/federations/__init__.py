"""Floor 3: who is asked and how the question gets there; not one statistical word."""
