"""Runs as jobs, of Slurm or of this machine: submission, leases, status."""
