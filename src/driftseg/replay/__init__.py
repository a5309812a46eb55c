"""The labelled source that adaptation draws from."""
