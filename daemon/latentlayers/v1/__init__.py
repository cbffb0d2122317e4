"""Generated from protos/latentlayers/v1 by install/generate_protos.py; do not edit."""
