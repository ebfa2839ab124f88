"""Several trainings that answer one question: which network (compare), which settings (tune)."""
