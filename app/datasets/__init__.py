"""Data sets: what is known of them without reading them."""
