"""What comes when: schedule, stream, crop."""
