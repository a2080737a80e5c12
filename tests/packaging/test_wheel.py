"""The wheel holds the client and the schemas alone, and works without the rest of the repository."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from stack import Stack
from stack.services import REPOSITORY, TOPIC_PREFIX

SECONDS = 120
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLIENT_DEPENDENCIES = ["aiokafka[lz4,snappy,zstd]", "httpx", "pydantic", "pyjwt"]


@pytest.fixture(scope="module")
async def client_environment(stack: Stack) -> AsyncIterator[dict[str, str]]:
    """The variables of a client of running services, under the default topic prefix."""
    async with stack.run_services(TOPIC_PREFIX):
        yield {"COHOST_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers}


def packaged_files() -> set[str]:
    """Return the files that the wheel must hold, as paths in it."""
    folders = ((REPOSITORY, "cohost"), (REPOSITORY / "schemas", "cohost_schemas"))
    return {
        str(path.relative_to(root))
        for root, package in folders
        for path in (root / package).rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
        if "export" not in path.parts
    }


def read_metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def client_example() -> str:
    """Return the README's Python example of the client that plays a whole invitation."""
    blocks = PYTHON_BLOCK.findall((REPOSITORY / "README.md").read_text())
    (example,) = (block for block in blocks if "cohost.Client(" in block and "set_room(" in block)
    return str(example)


async def run_installed(python: Path, *arguments: str, environment: dict[str, str], folder: Path) -> str:
    """Run the installed Python outside the repository and return its output."""
    process = await asyncio.create_subprocess_exec(
        python,
        *arguments,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output
    return output


def test_the_wheel_holds_the_client_and_the_schemas_alone(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - info == packaged_files()
    assert {"cohost/py.typed", "cohost_schemas/py.typed"} <= names
    assert "licenses/LICENSE" in {name.partition("/")[2] for name in info}


def test_the_wheel_depends_on_what_the_client_imports(wheel: Path) -> None:
    metadata = read_metadata(wheel)
    requirements = metadata.get_all("Requires-Dist", [])
    assert [re.split("[<>=]", text)[0] for text in requirements] == CLIENT_DEPENDENCIES
    assert not [text for text in requirements if "==" in text]
    assert metadata["Provides-Extra"] is None


def test_the_wheel_carries_its_license_and_the_readme(wheel: Path) -> None:
    metadata = read_metadata(wheel)
    assert (metadata["Name"], metadata["License-Expression"]) == ("cohost", "Apache-2.0")
    assert metadata.get_payload() == (REPOSITORY / "README.md").read_text()


async def test_every_module_of_the_wheel_imports_on_its_own(installed_python: Path, tmp_path: Path) -> None:
    modules = sorted(
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in packaged_files()
        if name.endswith(".py") and not name.endswith("__main__.py")
    )
    code = "import importlib, sys; print([importlib.import_module(name) for name in sys.argv[1:]])"
    output = await run_installed(installed_python, "-c", code, *modules, environment={}, folder=tmp_path)
    assert str(REPOSITORY) not in output


async def test_the_readmes_example_runs_and_the_audit_approves(
    installed_python: Path, client_environment: dict[str, str], tmp_path: Path
) -> None:
    example = tmp_path / "example.py"
    example.write_text(client_example())
    shown = await run_installed(
        installed_python, str(example), environment=client_environment, folder=tmp_path
    )
    types = [line.split()[0] for line in shown.splitlines()]
    decided = [name for name in types if "Invitation" in name or name.startswith("cohost.CoHostLeft")]
    assert decided == ["cohost.InvitationSent.v1", "cohost.InvitationAccepted.v1", "cohost.CoHostLeft.v1"]
    report = await run_installed(
        installed_python, "-m", "cohost.audit", environment=client_environment, folder=tmp_path
    )
    assert report.endswith("every promise was kept\n")


def test_the_checkout_can_be_imported_from_any_folder(tmp_path: Path) -> None:
    names = ["cohost", "cohost_schemas", "messaging", "services", "stack"]
    code = (
        f"import {', '.join(names)}; print(*({', '.join(f'{name}.__file__' for name in names)}), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    folders = [REPOSITORY / ("schemas" if name == "cohost_schemas" else "") / name for name in names]
    assert done.stdout.splitlines() == [str(folder / "__init__.py") for folder in folders]
