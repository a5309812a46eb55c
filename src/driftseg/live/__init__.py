"""A local page that shows a drive while it runs."""
