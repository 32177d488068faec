"""Static embedding models, made from other models. `distillation` is the way in."""
