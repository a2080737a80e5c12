"""`python -m ops.exporter`: run the exporter until SIGTERM or SIGINT."""

from ops.exporter import app
from services.runtime import process

process.run_app(app.create)
