"""The first five minutes: `python -m latentlayers.demo --output DIR` embeds and edits real photographs."""
