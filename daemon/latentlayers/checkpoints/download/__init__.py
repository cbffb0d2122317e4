"""Downloading a checkpoint. `fetch` imports the HTTP library, so import it only once somebody asked for a file."""
