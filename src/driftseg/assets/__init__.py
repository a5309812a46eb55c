"""Files that come with the package: the Town model."""
