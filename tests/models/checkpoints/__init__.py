"""Tiny random checkpoints of every architecture in the catalogue, as folders in the form their authors publish."""
