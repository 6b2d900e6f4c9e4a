"""Making a dataset: raw pairs aligned, checked, split, and pairs made from depth."""
