"""The exporter's settings, and the one line of those that are wrong."""

import subprocess
import sys

import pytest

from ops.exporter.settings import ExporterSettings
from services.runtime.settings import load_settings


def test_the_exporter_needs_no_token_key() -> None:
    assert ExporterSettings().http_port == 8083


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COHOST_KAFKA_BOOTSTRAP_SERVERS", "nowhere:port"),
        ("COHOST_HTTP_PORT", "0"),
        ("COHOST_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as stopped:
        load_settings(ExporterSettings)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert variable in line


def test_the_process_ends_with_one_line_and_status_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHOST_HTTP_PORT", "none")
    done = subprocess.run([sys.executable, "-m", "ops.exporter"], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("COHOST_HTTP_PORT")
