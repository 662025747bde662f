"""Floor 1: what may be asked, what an answer is, and the gate between them."""
