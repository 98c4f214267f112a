"""Parts that several builders put networks together from, and the options that say how."""
