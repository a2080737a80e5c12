"""Authentication of HTTP callers by bearer token (contract, section 5)."""

import hashlib
import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cohost_schemas.types import is_id
from services.runtime.http.jwks_url import JwksUrl
from services.runtime.http.problems import HttpProblem

OPS_SCOPE = "cohost:ops"
PLATFORM_SCOPE = "cohost:platform"

_MAX_NAME_LENGTH = 100

_ALGORITHMS = ("RS256", "ES256")
# PyJWT takes a time that is a text, and has one leeway for all three.
_CHECKED_HERE = ("verify_exp", "verify_nbf", "verify_iat", "verify_jti")
_OPTIONS: Any = {"require": ["sub"], **dict.fromkeys(_CHECKED_HERE, False)}
_TIMES = ("exp", "nbf", "iat")
_LEEWAY_SECONDS = 60
# A token may name any number, also one that is no float.
_FAR_FUTURE = 2**40
_MAX_REMEMBERED = 10_000
_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="`sub` is the user's id.")


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request; ops may read everything.

    `name` is for display and may be empty. `is_platform` allows writing facts, and nothing else.
    `expires_at` is the token's end, in seconds since the epoch.
    """

    user_id: str
    is_ops: bool
    name: str = ""
    is_platform: bool = False
    expires_at: float = field(default=math.inf, compare=False)


class _VerifiedToken(NamedTuple):
    """The caller and the times of a token whose signature and claims are valid."""

    caller: Caller
    times: Mapping[str, Any]


class Authenticator:
    """Verify tokens: HS256 with the secret, RS256 and ES256 with the keys of a JWK set.

    The set is given, or fetched from `jwks_url`. Issuer and audience must match if they are given.
    A token that comes again is found by its digest, and its times are checked: to verify a signature takes a
    fifth of the time of a request.
    Raises `ValueError` if the secret or the key set gives no usable key.
    """

    def __init__(
        self,
        secret: str | None,
        jwks: Mapping[str, Any] | None,
        *,
        jwks_url: JwksUrl | None = None,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        self._secret = secret
        self._keys = _usable_keys(jwks) if jwks is not None else []
        self._jwks_url = jwks_url
        self._claims: Any = {
            "issuer": issuer,
            "audience": audience,
            "options": {**_OPTIONS, "verify_aud": audience is not None},
        }
        self._verified: dict[bytes, _VerifiedToken] = {}
        if secret is not None:
            _check_secret(secret)

    async def fetch_keys(self) -> None:
        """Fetch the keys from the URL, if there is one. Raises `ValueError` or `JwksUnavailable`."""
        if self._jwks_url is not None:
            self._keys = _usable_keys(await self._jwks_url.fetch())
            # The key of a token that was valid may be gone.
            self._verified.clear()

    async def refresh_keys_for(self, token: str) -> None:
        """Fetch the keys again if the token names an unknown one and the last time is a minute ago."""
        if self._jwks_url is not None and self._names_unknown_key(token):
            await self._jwks_url.refresh(self.fetch_keys)

    def authenticate_token(self, token: str) -> Caller:
        """Return the caller that the token identifies. Raises `HttpProblem` (401)."""
        try:
            return self._find_verified(token).caller
        except (jwt.PyJWTError, ValueError):
            raise HttpProblem(401, "unauthorized", "The token is not valid.") from None

    def _find_verified(self, token: str) -> _VerifiedToken:
        digest = hashlib.blake2b(token.encode(), digest_size=32).digest()
        if (known := self._verified.get(digest)) is not None:
            _check_times(known.times, time.time())
            return known
        verified = self._verify_token(token)
        if len(self._verified) >= _MAX_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = verified
        return verified

    def _verify_token(self, token: str) -> _VerifiedToken:
        claims = jwt.decode(token, **self._select_key(token), **self._claims)
        _check_times(claims, time.time())
        user_id = claims["sub"]
        if not is_id(user_id):
            msg = "sub is not an id"
            raise ValueError(msg)
        scopes = _parse_scopes(claims.get("scope"))
        caller = Caller(
            user_id,
            OPS_SCOPE in scopes,
            _display_name(claims.get("name")),
            PLATFORM_SCOPE in scopes,
            float(min(claims["exp"], _FAR_FUTURE)),
        )
        return _VerifiedToken(caller, {name: claims[name] for name in _TIMES if name in claims})

    def _names_unknown_key(self, token: str) -> bool:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            return False
        kid = header.get("kid")
        return (
            header.get("alg") in _ALGORITHMS
            and kid is not None
            and all(key.key_id != kid for key in self._keys)
        )

    def _select_key(self, token: str) -> dict[str, Any]:
        """Return the only key for the token's algorithm, and allow that algorithm only."""
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "HS256" and self._secret is not None:
            return {"key": self._secret, "algorithms": ["HS256"]}
        matching = [
            key for key in self._keys if key.algorithm_name == algorithm and kid in (None, key.key_id)
        ]
        if len(matching) != 1:
            msg = "no key or several keys match this token"
            raise ValueError(msg)
        return {"key": matching[0], "algorithms": [algorithm]}


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Raise `ValueError` unless the token has not ended and, give or take a minute, has begun."""
    if not (_is_number(claims.get("exp")) and claims["exp"] > now):
        msg = "exp is no number, or over"
        raise ValueError(msg)
    for name in ("nbf", "iat"):
        if name in claims and not (_is_number(claims[name]) and claims[name] <= now + _LEEWAY_SECONDS):
            msg = f"{name} is no number, or ahead"
            raise ValueError(msg)


def _is_number(value: object) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _check_secret(secret: str) -> None:
    with warnings.catch_warnings():
        # The settings refuse a short secret in production.
        warnings.simplefilter("ignore", category=jwt.InsecureKeyLengthWarning)
        try:
            jwt.encode({}, secret, "HS256")
        except jwt.PyJWTError as error:
            msg = "not usable as an HS256 secret"
            raise ValueError(msg) from error


def _usable_keys(jwks: Mapping[str, Any]) -> list[jwt.PyJWK]:
    entries = jwks.get("keys")
    listed = entries if isinstance(entries, list) else []
    public = [entry for entry in listed if isinstance(entry, dict) and "d" not in entry]
    try:
        found = jwt.PyJWKSet(public).keys
    except jwt.PyJWTError:
        found = []
    keys = [key for key in found if key.algorithm_name in _ALGORITHMS and key.public_key_use in (None, "sig")]
    if not keys:
        msg = "no public RS256 or ES256 key in it"
        raise ValueError(msg)
    return keys


def _display_name(name: Any) -> str:
    return name[:_MAX_NAME_LENGTH] if isinstance(name, str) else ""


def _parse_scopes(scope: Any) -> list[Any]:
    if isinstance(scope, str):
        return scope.split(" ")
    return scope if isinstance(scope, list) else []


async def authenticate_request(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Find out the caller of a request, by the application's authenticator. Raises `HttpProblem` (401)."""
    if credentials is None:
        raise HttpProblem(401, "unauthorized", "A bearer token is required.")
    authenticator: Authenticator = request.app.state.authenticator
    await authenticator.refresh_keys_for(credentials.credentials)
    request.state.caller = authenticator.authenticate_token(credentials.credentials)


def caller_of(request: Request) -> Caller:
    """Return the caller of a request that is authenticated, as every request of a protected router is."""
    caller: Caller = request.state.caller
    return caller


async def _current_caller(request: Request) -> Caller:
    return caller_of(request)


async def require_ops(caller: Annotated[Caller, Depends(_current_caller)]) -> None:
    """Refuse a caller without the scope of ops. Raises `HttpProblem` (403)."""
    if not caller.is_ops:
        raise HttpProblem(403, "forbidden", "Only ops may use this.")


AuthenticatedCaller = Annotated[Caller, Depends(_current_caller)]
"""The caller of a route whose application or router has the dependency `authenticate_request`.

FastAPI resolves the parts of a dependency again wherever it is named; this one has none.
"""
