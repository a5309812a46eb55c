"""Reading images and labels: sizes, orientation, bit depths, codings of ids."""
