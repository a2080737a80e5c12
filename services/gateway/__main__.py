"""`python -m services.gateway`: run the gateway until SIGTERM or SIGINT."""

from services.gateway import app
from services.runtime import process

process.run_app(app.create)
