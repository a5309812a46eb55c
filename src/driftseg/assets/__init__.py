"""Files that come with the package: the Town model and the demo's config."""
