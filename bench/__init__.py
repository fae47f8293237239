"""Measures the hop against its alternatives on one machine in one run; nothing here is a test."""
