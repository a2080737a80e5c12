"""`python -m services.invitations`: run the service until SIGTERM or SIGINT."""

from services.invitations import app
from services.runtime import process

process.run_app(app.create)
