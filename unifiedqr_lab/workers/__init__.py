"""Frameworks in processes of their own, whatever is run in each: environment, progress, time, end and failure."""
