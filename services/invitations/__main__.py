"""`python -m services.invitations`: run the service until it is stopped."""

import sys

from services.invitations import app
from services.invitations.settings import InvitationsSettings
from services.runtime import process, settings

sys.exit(process.run_service(settings.load_settings(InvitationsSettings), app.build_service))
