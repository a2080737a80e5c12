"""`python -m services.invitations`: run the service until it is stopped."""

import sys

from services.hosting import process, settings
from services.invitations import app
from services.invitations.settings import InvitationsSettings

sys.exit(process.run_service(settings.load_settings(InvitationsSettings), app.build_service))
