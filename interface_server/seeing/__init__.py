"""What a person or a program can see of a running server: figures, causes, the metrics listener."""
