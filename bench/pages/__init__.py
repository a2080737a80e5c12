"""Tables of saved results in the pages."""
