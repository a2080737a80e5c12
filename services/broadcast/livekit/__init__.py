"""The LiveKit adapter: the only code that imports LiveKit's client."""
