"""Where connections come in: addresses, and what stands between a socket and its protocol."""
