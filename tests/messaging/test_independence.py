"""The pipeline knows no service: it has no word of theirs, and no name of a setting."""

import re
from pathlib import Path

import messaging

_SERVICE_WORDS = re.compile(r"(?i:badge|invit|livekit|\bactor|\bmute)|COHOST_")
_PACKAGE = Path(messaging.__file__).parent


def test_no_module_of_the_pipeline_has_a_word_of_a_service() -> None:
    found = {
        f"{path.relative_to(_PACKAGE)}:{number}": line.strip()
        for path in _PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _SERVICE_WORDS.search(line)
    }
    assert found == {}
