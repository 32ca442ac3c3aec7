"""The jobs people run: generate, train, replay, netlists, doctor."""
