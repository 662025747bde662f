"""Floor 0: arrays in, arrays out.  No site, no frame and no file is known here."""
