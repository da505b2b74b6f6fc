"""What is requested: runs, studies, and the scores each should have."""
