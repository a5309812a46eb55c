"""Physics of weather, and the camera it is seen through."""
