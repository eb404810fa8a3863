"""Frameworks in processes of their own, whatever runs in them: environment, progress, time limit, end and failure."""
