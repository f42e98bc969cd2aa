"""Readers that tasks share: files, images, packages, splits and words."""
