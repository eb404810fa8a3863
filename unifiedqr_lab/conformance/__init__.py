"""The conformance suite: cases, golden vectors, checks and the one tolerance function."""
