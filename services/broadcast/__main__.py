"""`python -m services.broadcast`: run the service until SIGTERM or SIGINT."""

import sys

from services.broadcast import app
from services.broadcast.settings import BroadcastSettings
from services.runtime import process, settings

sys.exit(process.run_service(settings.load_settings(BroadcastSettings), app.build_service))
