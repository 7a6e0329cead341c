"""What users bring: folders of images, and networks with their weights."""
