"""What reading and writing has to know about each family of networks, beyond what `generators` knows."""
