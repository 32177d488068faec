"""Files from a hub to this machine: what is needed, what is said of it, resumed and checked. `rag_app.models.hub` calls it."""
