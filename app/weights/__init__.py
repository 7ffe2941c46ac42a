"""Weights that jobs start from: uploaded, or another job's checkpoint."""
