"""Each patch applies to the present code and names tests that exist."""

from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT, apply_patch, list_patches, named_tests


@pytest.mark.parametrize("patch", list_patches(), ids=lambda patch: patch.stem)
def test_a_patch_applies_and_names_its_tests(patch: Path) -> None:
    assert apply_patch(patch, ROOT, "--check") == ""
    named = [test.partition("::") for test in named_tests(patch)]
    assert named
    for path, _, function in named:
        assert function in (ROOT / path).read_text()
