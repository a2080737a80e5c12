"""Authentication: tokens by section 5 of the contract are accepted, all others refused."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.http import auth
from services.runtime.http.auth import Authenticator, Caller
from services.runtime.http.problems import HttpProblem

SECRET = "a secret of more than sixty-four bytes, as PyJWT likes it for every hash"
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
LATER = 4_000_000_000
CLAIMS = {"sub": "alice", "exp": LATER}


def key(private: Any, kid: str, **more: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if private in (RSA, OTHER_RSA) else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(private.public_key())), "kid": kid, **more}


KEYS = {"keys": [key(RSA, "r1", alg="RS256"), key(OTHER_RSA, "r2", use="sig"), key(EC, "e1")]}
BY_SECRET = Authenticator(SECRET, None)
BY_KEYS = Authenticator(None, KEYS)
BY_BOTH = Authenticator(SECRET, KEYS)


def assert_refused(authenticator: Authenticator, token: str) -> bool:
    try:
        authenticator.authenticate_token(token)
    except HttpProblem as problem:
        return (problem.status, problem.reason) == (401, "unauthorized")
    return False


def sign_token(**claims: Any) -> str:
    """Return a token by the secret; a claim given as ... is omitted."""
    found = {"sub": "alice", "exp": LATER, **claims}
    said = {name: value for name, value in found.items() if value is not ...}
    return jwt.api_jws.encode(json.dumps(said).encode(), SECRET, "HS256")


def forge_token(header: Any, claims: Any, signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize(
    ("scope", "ops"),
    [
        ("cohost:ops", True),
        ("a cohost:ops b", True),
        (["a", "cohost:ops"], True),
        ("", False),
        ("cohost:opsx", False),
        ("COHOST:OPS", False),
        ([], False),
        ({"cohost:ops": 1}, False),
        (5, False),
        (None, False),
    ],
)
def test_the_subject_is_the_user_and_the_scope_may_name_ops(scope: object, ops: object) -> None:
    assert BY_SECRET.authenticate_token(sign_token(scope=scope)) == Caller("alice", is_ops=bool(ops))


def test_a_token_without_scope_is_not_ops() -> None:
    assert BY_SECRET.authenticate_token(sign_token()) == Caller("alice", is_ops=False)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Alice Ñ 🎤", "Alice Ñ 🎤"),
        ("🎤" * 101, "🎤" * 100),
        ("", ""),
        (None, ""),
        (7, ""),
        (["Alice"], ""),
        ({"first": "Alice"}, ""),
    ],
)
def test_a_callers_name_is_the_claim_cut_at_100_code_points(name: object, shown: str) -> None:
    assert BY_SECRET.authenticate_token(sign_token(sub="alice", name=name)).name == shown
    assert BY_SECRET.authenticate_token(sign_token(sub="alice")).name == ""


@pytest.mark.parametrize(
    "more",
    [{"exp": LATER + 0.5}, {"aud": "app"}, {"aud": 5}, {"iss": "me"}, {"iss": None}, {"iat": 1}, {"jti": 5}],
)
def test_other_claims_do_not_matter(more: dict[str, Any]) -> None:
    assert BY_SECRET.authenticate_token(sign_token(**more)) == Caller("alice", is_ops=False)


@pytest.mark.parametrize("sub", [..., None, "", 5, ["alice"], "a b", "x" * 65, "a\n", "ä", "a\x00"])
def test_a_subject_that_is_no_id_is_refused(sub: object) -> None:
    assert assert_refused(BY_SECRET, sign_token(sub=sub))


NO_NUMBERS = ["soon", str(LATER), "", None, True, [LATER], {}, float("inf"), float("nan")]


@pytest.mark.parametrize("exp", [..., *NO_NUMBERS, 1, 0, -1, -0.5, float("-inf")])
def test_a_token_without_an_end_that_is_ahead_is_refused(exp: object) -> None:
    assert assert_refused(BY_SECRET, sign_token(exp=exp))


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, LATER])
def test_a_token_whose_beginning_is_no_time_or_ahead_is_refused(name: str, value: object) -> None:
    assert assert_refused(BY_SECRET, sign_token(**{name: value}))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> int:
    """The time that the authenticator sees."""
    monkeypatch.setattr(auth.time, "time", lambda: 1_000_000.0)
    return 1_000_000


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_may_begin_up_to_a_minute_ahead(now: int, name: str) -> None:
    assert BY_SECRET.authenticate_token(sign_token(**{name: now + 60})) == Caller("alice", is_ops=False)
    assert assert_refused(BY_SECRET, sign_token(**{name: now + 61}))


def test_a_token_ends_to_the_second(now: int) -> None:
    assert BY_SECRET.authenticate_token(sign_token(exp=now + 1)) == Caller("alice", is_ops=False)
    assert assert_refused(BY_SECRET, sign_token(exp=now))
    assert assert_refused(BY_SECRET, sign_token(exp=now - 1))


def test_a_token_that_was_valid_ends_to_the_second(now: int, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign_token(exp=now + 1)
    assert BY_SECRET.authenticate_token(token) == Caller("alice", is_ops=False)
    monkeypatch.setattr(auth.time, "time", lambda: now + 1.0)
    assert assert_refused(BY_SECRET, token)


def test_a_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator, token = Authenticator(SECRET, None), sign_token(sub="bob")
    verified = [authenticator.authenticate_token(token)]
    monkeypatch.setattr(auth.jwt, "decode", None)
    verified.append(authenticator.authenticate_token(token))
    assert verified == [Caller("bob", is_ops=False)] * 2


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_MAX_REMEMBERED", 2)
    authenticator = Authenticator(SECRET, None)
    for user_id in ("a", "b", "c"):
        authenticator.authenticate_token(sign_token(sub=user_id))
    assert [token.caller.user_id for token in authenticator._verified.values()] == ["b", "c"]  # noqa: SLF001


@pytest.mark.parametrize(
    ("claims", "is_accepted"),
    [
        ({"iss": "us", "aud": "app"}, True),
        ({"iss": "us", "aud": ["other", "app"]}, True),
        ({"iss": "us", "aud": []}, False),
        ({"iss": "us", "aud": "other"}, False),
        ({"iss": "us", "aud": "app2"}, False),
        ({"iss": "us", "aud": {"app": 1}}, False),
        ({"iss": "us"}, False),
        ({"iss": "them", "aud": "app"}, False),
        ({"iss": ["us"], "aud": "app"}, False),
        ({"iss": None, "aud": "app"}, False),
        ({"aud": "app"}, False),
    ],
)
def test_issuer_and_audience_must_match_where_they_are_set(
    claims: dict[str, Any], *, is_accepted: bool
) -> None:
    authenticator = Authenticator(SECRET, None, issuer="us", audience="app")
    assert assert_refused(authenticator, sign_token(**claims)) != is_accepted


def test_issuer_and_audience_are_checked_independently() -> None:
    token = sign_token(iss="us", aud="app")
    assert Authenticator(SECRET, None, issuer="us").authenticate_token(token).user_id == "alice"
    assert Authenticator(SECRET, None, audience="app").authenticate_token(token).user_id == "alice"
    assert assert_refused(Authenticator(SECRET, None, issuer="app"), token)
    assert assert_refused(Authenticator(SECRET, None, audience="us"), token)


@pytest.mark.parametrize("kid", ["r1", "r2"])
def test_the_kid_chooses_the_key(kid: str) -> None:
    private = {"r1": RSA, "r2": OTHER_RSA}[kid]
    token = jwt.encode(CLAIMS, private, "RS256", headers={"kid": kid})
    assert (
        BY_KEYS.authenticate_token(token)
        == BY_BOTH.authenticate_token(token)
        == Caller("alice", is_ops=False)
    )
    wrong = {"r1": OTHER_RSA, "r2": RSA}[kid]
    assert assert_refused(BY_KEYS, jwt.encode(CLAIMS, wrong, "RS256", headers={"kid": kid}))


def test_es256_is_taken_and_without_kid_where_only_one_key_fits() -> None:
    assert BY_KEYS.authenticate_token(jwt.encode(CLAIMS, EC, "ES256")) == Caller("alice", is_ops=False)
    assert assert_refused(BY_KEYS, jwt.encode(CLAIMS, RSA, "RS256"))


def test_an_unknown_kid_is_refused() -> None:
    assert assert_refused(BY_KEYS, jwt.encode(CLAIMS, EC, "ES256", headers={"kid": "other"}))


def test_another_secret_is_refused() -> None:
    assert assert_refused(BY_SECRET, jwt.encode(CLAIMS, SECRET[::-1], "HS256"))


def test_a_public_key_is_no_secret() -> None:
    public = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    token = forge_token({"alg": "HS256", "kid": "r1"}, CLAIMS)
    signing = token.rpartition(".")[0].encode()
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing, public)
    token = forge_token({"alg": "HS256", "kid": "r1"}, CLAIMS, mac)
    assert assert_refused(BY_KEYS, token)
    assert assert_refused(BY_BOTH, token)


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS384", "HS512", "RS512", None, 5, ["HS256"], {}])
def test_no_other_algorithm_is_taken(algorithm: object) -> None:
    for authenticator in (BY_SECRET, BY_KEYS, BY_BOTH):
        assert assert_refused(authenticator, forge_token({"alg": algorithm, "kid": "r1"}, CLAIMS))


def test_hs512_with_the_right_secret_is_refused() -> None:
    assert assert_refused(BY_BOTH, jwt.encode(CLAIMS, SECRET, "HS512"))


def test_without_a_secret_the_empty_one_is_refused() -> None:
    signing = forge_token({"alg": "HS256"}, CLAIMS).rpartition(".")[0].encode()
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing, b"")
    assert assert_refused(BY_KEYS, forge_token({"alg": "HS256"}, CLAIMS, mac))


def test_deeply_nested_json_is_refused() -> None:
    deep = b"[" * 100_000
    header = base64.urlsafe_b64encode(deep).decode()
    assert assert_refused(BY_BOTH, f"{header}.e30.x")
    assert assert_refused(BY_BOTH, jwt.api_jws.encode(deep, SECRET, "HS256"))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "ä.ö.ü", "\x00", sign_token(sub="a")[:-2], "x" * 5000]
)
def test_a_malformed_token_is_refused(token: str) -> None:
    assert assert_refused(BY_BOTH, token)


words = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
claims_ = st.dictionaries(
    st.sampled_from(["sub", "scope", "exp", "nbf", "iat", "aud", "iss", "jti"]),
    words | st.lists(words, max_size=2) | st.dictionaries(st.text(max_size=2), words, max_size=2),
)


@given(claims=claims_)
def test_any_signed_claims_give_a_caller_or_401(claims: dict[str, Any]) -> None:
    token = jwt.api_jws.encode(json.dumps({"exp": LATER, **claims}).encode(), SECRET, "HS256")
    assert assert_refused(BY_SECRET, token) or BY_SECRET.authenticate_token(token).user_id == claims["sub"]


@given(header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), words))
def test_an_unsigned_token_is_refused_whatever_its_header(header: dict[str, Any]) -> None:
    assert assert_refused(BY_BOTH, forge_token(header, CLAIMS))
