"""What an export consists of: the callable root, signatures, decoding, what travels beside them, and archives."""
