"""All ways of waiting, by the room that they come from. Each module has `start()`, which starts its tasks."""
