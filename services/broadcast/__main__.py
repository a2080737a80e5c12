"""`python -m services.broadcast`: run the service until it is told to stop."""

import sys

from services.broadcast import app
from services.broadcast.settings import Settings
from services.hosting import process, settings

sys.exit(process.run(settings.load(Settings), app.build))
