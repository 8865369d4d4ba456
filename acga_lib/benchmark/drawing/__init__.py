"""Scenes as pixels: puppets, people, props, scenery, cameras, and the masks of what is seen."""
