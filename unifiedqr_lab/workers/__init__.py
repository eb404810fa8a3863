"""Frameworks in processes of their own, whatever runs in each: environment, progress, time, end and failure."""
