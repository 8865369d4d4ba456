"""Training of the small frozen networks, on drawn clips: what Kinetics and ImageNet stand for."""
