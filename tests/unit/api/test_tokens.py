"""Who is let in: only bearers of the configured issuer's own, valid, asymmetric tokens."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from entrepot.adapters.tokens import IssuerKeys, TokenVerifier, fetch_jwks
from entrepot.errors import ConfigurationError, UnauthenticatedError, UnavailableError
from entrepot.workflow.access import Role
from tests.fakes.world import FakeClock
from tests.unit.api.support import AUDIENCE, ISSUER, Api, FakeApiWorld, Issuer, load_function


def verifier(issuer: Issuer, **options: Any) -> TokenVerifier:
    return TokenVerifier(
        ISSUER, AUDIENCE, IssuerKeys(f"{ISSUER}/certs", fetch=issuer.document, **options), issuer.clock
    )


def reason(check: TokenVerifier, token: str) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        check.verify(token)
    return str(caught.value.facts["reason"])


@pytest.mark.parametrize("role", list(Role))
def test_a_valid_token_names_its_bearer(issuer: Issuer, role: Role) -> None:
    caller = verifier(issuer).verify(issuer.token(role.value, sub="ada@example.org", tenant="north"))
    assert (caller.tenant, caller.actor, caller.role) == ("north", "ada@example.org", role)


def test_es256_is_accepted_and_a_list_of_audiences_too(issuer: Issuer) -> None:
    token = issuer.token(key=issuer.ec, header={"alg": "ES256", "kid": "key-1-ec"}, aud=["other", AUDIENCE])
    assert verifier(issuer).verify(token).actor == "ada"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"iss": "https://elsewhere.example.org"}, "invalid"),
        ({"iss": ISSUER + "/"}, "invalid"),
        ({"iss": None}, "invalid"),
        ({"aud": "somebody-else"}, "invalid"),
        ({"aud": None}, "invalid"),
        ({"aud": []}, "invalid"),
        ({"exp": None}, "invalid"),
        ({"exp": "tomorrow"}, "invalid"),
        ({"exp": 1}, "expired"),
        ({"iat": None}, "invalid"),
        ({"iat": 4_000_000_000}, "invalid"),
        ({"nbf": 4_000_000_000}, "invalid"),
        ({"sub": None}, "invalid"),
        ({"sub": "a\x00b"}, "sub"),
        ({"sub": "x" * 201}, "sub"),
        ({"tenant": None}, "tenant"),
        ({"tenant": "a/b"}, "tenant"),
        ({"tenant": "main#JOB"}, "tenant"),
        ({"tenant": "_targets"}, "tenant"),
        ({"tenant": "main\n"}, "tenant"),
        ({"tenant": ["main"]}, "tenant"),
    ],
)
def test_a_wrong_claim_is_refused(issuer: Issuer, given: dict[str, Any], why: str) -> None:
    assert reason(verifier(issuer), issuer.token(**given)) == why


@pytest.mark.parametrize("role", ["admin", "", "Operator", "operator "])
def test_an_unknown_role_is_refused(issuer: Issuer, role: str) -> None:
    assert reason(verifier(issuer), issuer.token(role)) == "role"


def unsigned(issuer: Issuer) -> str:
    parts = [{"alg": "none", "typ": "JWT", "kid": issuer.kid}, issuer.claims(role="engineer")]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts) + "."


def signed_with_the_public_key(issuer: Issuer) -> str:
    parts = [{"alg": "HS256", "kid": issuer.kid}, issuer.claims(role="engineer")]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts)
    digest = hmac.new(issuer.rsa.as_pem(private=False), text.encode(), "sha256").digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def without_kid(issuer: Issuer) -> str:
    return issuer.token(header={"kid": None})


def with_another_key(issuer: Issuer) -> str:
    return issuer.token(key=RSAKey.generate_key(2048))


def tampered(issuer: Issuer) -> str:
    head, _, signature = issuer.token("viewer").split(".")
    claims = base64.urlsafe_b64encode(json.dumps(issuer.claims(role="engineer")).encode()).rstrip(b"=").decode()
    return f"{head}.{claims}.{signature}"


def key_inside(issuer: Issuer) -> str:
    key = RSAKey.generate_key(2048)
    return issuer.token(key=key, header={"jwk": key.as_dict(private=False)})


def cut_off(issuer: Issuer) -> str:
    return issuer.token()[:-10]


def rs512(issuer: Issuer) -> str:
    return issuer.token(header={"alg": "RS512"})


def wrong_kind_of_key(issuer: Issuer) -> str:
    return issuer.token(header={"kid": "key-1-ec"})


def garbage(_: Issuer) -> str:
    return "a.b.c"


def huge(_: Issuer) -> str:
    return "a" * 9000


FORGERIES = [
    unsigned, signed_with_the_public_key, without_kid, with_another_key, tampered, key_inside, cut_off, rs512,
    wrong_kind_of_key, garbage, huge,
]  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_token_is_refused(issuer: Issuer, forge: Callable[[Issuer], str]) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier(issuer).verify(forge(issuer))


@pytest.mark.parametrize("forge", FORGERIES)
@pytest.mark.capability("ACC1")
def test_the_function_answers_a_forged_token_with_401(api: Api, issuer: Issuer, forge: Callable[[Issuer], str]) -> None:
    answer = api.get("/jobs", token=forge(issuer))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.error["code"] == "unauthenticated"
    assert answer.error["request_id"]


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer  ", "token abc"])
def test_other_schemes_are_refused(api: Api, header: str) -> None:
    assert api.get("/jobs", role=None, headers={"Authorization": header}).status == 401


def test_a_stranger_is_sent_away_before_the_body_is_looked_at(api: Api) -> None:
    answer = api.post("/jobs/x/confirm", role=None, body="[" * 100_000, headers={"Content-Type": "application/json"})
    assert answer.status == 401


def test_a_header_in_lower_case_counts_too(api: Api) -> None:
    assert api.get("/jobs", role=None, headers={"authorization": f"bearer {api.token()}"}).status == 200


@pytest.mark.capability("ACC1")
def test_the_packaged_function_refuses_the_local_issuers_tokens(api: Api, tmp_path: Any) -> None:
    """Its environment names a production issuer; the local issuer is neither that one nor has its keys."""
    local = pytest.importorskip("local.issuer")
    issuer = local.LocalIssuer(tmp_path, "http://127.0.0.1:1")
    token = issuer.issue("ada", "engineer", tenant="main", ttl=10**9)
    assert api.get("/jobs", token=token).status == 401


def test_the_local_issuer_is_refused_even_with_a_key_of_the_same_id(world: FakeApiWorld) -> None:
    """Were its key ever published under the production issuer's address, the issuer's name would still tell."""
    local = Issuer(world.clock, url="https://issuer.entrepot.local")
    check = verifier(local)
    assert reason(check, local.token("engineer")) == "invalid"


def test_keys_are_fetched_once_and_again_after_an_hour() -> None:
    clock, seconds = FakeClock(), [0.0]
    issuer = Issuer(clock)
    keys = IssuerKeys("https://x", fetch=issuer.document, monotonic=lambda: seconds[0])
    for _ in range(3):
        assert keys.get("key-1") is not None
    assert issuer.fetched == 1
    seconds[0] = 3601
    keys.get("key-1")
    assert issuer.fetched == 2


def test_an_unknown_key_makes_us_look_again_but_not_often() -> None:
    issuer, seconds = Issuer(FakeClock()), [0.0]
    keys = IssuerKeys("https://x", fetch=issuer.document, monotonic=lambda: seconds[0])
    assert keys.get("key-2") is None
    for _ in range(100):
        assert keys.get("key-2") is None
    assert issuer.fetched == 1
    issuer.kid, seconds[0] = "key-2", 31.0
    assert keys.get("key-2") is not None
    assert keys.get("key-1") is None, "a key that the issuer took back verifies nothing"


def test_old_keys_serve_while_the_issuer_does_not_answer_but_not_for_ever() -> None:
    issuer, seconds, down = Issuer(FakeClock()), [0.0], [False]

    def fetch(url: str) -> dict[str, Any]:
        if down[0]:
            raise UnavailableError("no answer")
        return issuer.document(url)

    keys = IssuerKeys("https://x", fetch=fetch, monotonic=lambda: seconds[0])
    keys.get("key-1")
    down[0], seconds[0] = True, 7200.0
    assert keys.get("key-1") is not None
    seconds[0] = 90_000.0
    with pytest.raises(UnavailableError):
        keys.get("key-1")
    with pytest.raises(UnavailableError):
        keys.get("key-1")


def test_an_issuer_that_does_not_answer_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_: str) -> dict[str, Any]:
        raise UnavailableError("The token issuer's keys cannot be read (timeout).")

    module = load_function()
    module.services.use(module.services.Services(module.services.services().env, api.world, keys=fetch))
    answer = api.get("/jobs")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


@pytest.mark.filterwarnings("ignore:Key size")
def test_unusable_keys_of_a_set_are_passed_over(issuer: Issuer) -> None:
    weak = RSAKey.import_key(_weak_rsa()).as_dict(private=False)
    junk: list[Any] = [
        None, 7, {}, {"kty": "RSA", "kid": "a"}, {"kty": "RSA", "kid": "b", "n": "!!", "e": "AQAB"},
        {"kty": "oct", "kid": "c", "k": "c2VjcmV0"}, {**weak, "kid": "weak"}, {"kty": "EC", "crv": "P-521", "kid": "d"},
        {**issuer.rsa.as_dict(private=False), "kid": "enc", "use": "enc"},
        {**issuer.rsa.as_dict(private=False), "kid": "hs", "alg": "HS256"},
    ]  # fmt: skip
    keys = IssuerKeys("https://x", fetch=lambda _: {"keys": [*junk, *issuer.document()["keys"]]})
    assert keys.get("key-1") is not None
    for kid in ("a", "b", "c", "d", "weak", "enc", "hs"):
        assert keys.get(kid) is None


def _weak_rsa() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org/certs",
        "http://10.0.0.1/certs",
        "file:///etc/passwd",
        "https:///certs",
        "ftp://127.0.0.1/x",
    ],
)
def test_keys_are_only_read_over_https_or_from_this_machine(url: str) -> None:
    with pytest.raises(ConfigurationError):
        fetch_jwks(url)


@pytest.mark.parametrize("name", ["OIDC_ISSUER", "OIDC_JWKS_URL"])
@pytest.mark.parametrize("value", ["", "http://login.example.org", "login.example.org"])
def test_the_environment_takes_no_other_address(name: str, value: str) -> None:
    from entrepot.model.environment import load
    from tests.unit.api.support import ENVIRONMENT

    with pytest.raises(ConfigurationError, match=name):
        load(load_function().env.Env, {**ENVIRONMENT, name: value})


class _Answers(http.server.BaseHTTPRequestHandler):
    status, body, location = 200, b"{}", ""

    def do_GET(self) -> None:
        self.send_response(self.status)
        if self.location:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Answers]]]:
    answers = type("Answers", (_Answers,), {})
    made = http.server.HTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}/certs?x=1", answers
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_key_set_is_read_over_http_from_this_machine(server: tuple[str, Any], issuer: Issuer) -> None:
    url, answers = server
    answers.body = json.dumps(issuer.document()).encode()
    assert fetch_jwks(url) == issuer.document()


@pytest.mark.parametrize(
    ("status", "body", "location"),
    [
        (500, b"{}", ""),
        (302, b"", "http://127.0.0.1:1/"),
        (200, b"not json", ""),
        (200, b"[]", ""),
        (200, b"[" * 100_000, ""),
        (200, b" " * (300 << 10), ""),
    ],
)
def test_a_bad_answer_of_the_issuer_is_no_key_set(
    server: tuple[str, Any], status: int, body: bytes, location: str
) -> None:
    url, answers = server
    answers.status, answers.body, answers.location = status, body, location
    with pytest.raises(UnavailableError):
        fetch_jwks(url)
