"""How cost, memory, start and takeover grow with what is stored, with the rooms, and with the workers."""
