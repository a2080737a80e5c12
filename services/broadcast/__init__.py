"""The broadcast service: applies seats and mutes to LiveKit and publishes what LiveKit reports."""
