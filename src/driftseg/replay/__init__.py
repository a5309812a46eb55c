"""The labelled source images for adaptation."""
