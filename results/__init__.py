"""Remembers and shows results; reads run folders only, so it works wherever they were copied to."""
