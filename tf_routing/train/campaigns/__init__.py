"""Many trainings, one after the other, that can stop and continue anywhere."""
