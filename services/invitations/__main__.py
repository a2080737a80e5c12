"""`python -m services.invitations`: run the service until it is stopped."""

import sys

from services.hosting import process, settings
from services.invitations import app
from services.invitations.settings import Settings

sys.exit(process.run(settings.load(Settings), app.build))
