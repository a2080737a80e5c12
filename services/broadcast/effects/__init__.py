"""Background work on LiveKit: reconcile, resync and sweep the lanes that this worker owns."""
