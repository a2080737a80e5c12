"""The history of a room, read backward from the ends of its partitions."""
