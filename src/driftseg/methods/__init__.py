"""Methods: a learner, a controller and perhaps a memory, composed under a name."""
