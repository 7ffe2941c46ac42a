"""From sources to tensors: reading, splitting, preprocessing."""
