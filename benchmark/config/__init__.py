"""What is asked for: runs, studies, and the scores each should have."""
