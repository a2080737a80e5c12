"""Demo of a live show, with real servers, services and LiveKit participants."""
