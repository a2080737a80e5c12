"""`python -m services.broadcast`: run the service until SIGTERM or SIGINT."""

from services.broadcast import app
from services.runtime import process

process.run_app(app.create)
