#!/usr/bin/python3
"""Shows the service every kind of bad token that came to mind, byte by byte, and a good one beside each kind.

RSVPD_BINARY (build/rsvpd) is the service. Each answer is held to docs/openapi.yaml, to its status and code, and to what
WWW-Authenticate and Cache-Control have to say; none may repeat the token. Keys and signatures are openssl's.
"""
import hashlib
import hmac
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from check_access import REALM, SECRET, encode, run_checks  # noqa: E402
from document import parse_json  # noqa: E402
from servers import header, send_raw  # noqa: E402

USER, ISSUER, AUDIENCE = "ann-7Gq2", "https://id.example/", "rsvp"
SIZE_MAX = 8192
BITS_256 = 32


# --- Keys and signatures --------------------------------------------------------------------------

def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


class Key:
    """A private key in a file of the directory, and its JWK."""

    def __init__(self, directory, kid, *generate):
        self.kid, self.path = kid, os.path.join(directory, f"{kid}.pem")
        openssl("genpkey", *generate, "-out", self.path)
        self.pem = openssl("pkey", "-in", self.path, "-pubout")
        self.der = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")

    def sign(self, message, *options, digest="-sha256"):
        return openssl("dgst", digest, *options, "-sign", self.path, stdin=message)


class RsaKey(Key):
    def __init__(self, directory, kid):
        super().__init__(directory, kid, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")

    def jwk(self):
        modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
        return {"kty": "RSA", "kid": self.kid, "n": encode(bytes.fromhex(modulus)), "e": "AQAB"}


class EcKey(Key):
    def __init__(self, directory, kid):
        super().__init__(directory, kid, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")

    def jwk(self):
        x, y = self.der[-2 * BITS_256:-BITS_256], self.der[-BITS_256:]
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": encode(x), "y": encode(y)}

    def sign_raw(self, message):
        """r and s, 32 bytes each, out of the DER that openssl makes."""
        der, parts, at = self.sign(message), b"", 2
        for _ in range(2):
            size = der[at + 1]
            parts += der[at + 2:at + 2 + size].lstrip(b"\0").rjust(BITS_256, b"\0")
            at += 2 + size
        return parts


# --- Tokens ---------------------------------------------------------------------------------------

def mac(message, secret=SECRET.encode()):
    return hmac.digest(secret, message, hashlib.sha256)


def json_of(part):
    return part if isinstance(part, bytes) else json.dumps(part).encode()


def token(header_, claims, sign=mac):
    """Both parts as JSON, or bytes as they are; `sign` makes the signature of what is signed."""
    message = f"{encode(json_of(header_))}.{encode(json_of(claims))}"
    return f"{message}.{encode(sign(message.encode()))}"


def claims(**changes):
    """Good ones, with changes; None takes one away."""
    all_ = {"sub": USER, "exp": int(time.time()) + 600, "iss": ISSUER, "aud": AUDIENCE} | changes
    return {name: value for name, value in all_.items() if value is not None}


def raw_claims(text, without=()):
    """Good ones without some, and then this text, which need be no member that json could write."""
    good = {name: value for name, value in claims().items() if name not in without}
    return f"{json.dumps(good)[:-1]}, {text}}}".encode()


HS256 = {"alg": "HS256", "typ": "JWT"}


# --- Cases: (what, the value of Authorization, the fault that is told; None: it is good) ------------

def bearer(what, value, fault=None):
    return what, f"Bearer {value}", fault


def time_cases():
    now, number, good = int(time.time()), "exp, nbf or iat is not a number", None
    rows = {
        "exp": [("now - 31", now - 31, "expired"), ("0", 0, "expired"), ("-1", -1, "expired"), ("-1e300", -1e300, "expired"),
                ("0.5", 0.5, "expired"), ("now + 600.75", now + 600.75, good), ("now - 10", now - 10, good),
                ("1e300", 1e300, good), ("2**53 + 1", 2**53 + 1, good), ("2**63", 2**63, good), ("2**64", 2**64, good),
                ("10**200", 10**200, good)],
        "nbf": [("now + 3600", now + 3600, "not valid yet"), ("1e300", 1e300, "not valid yet"),
                ("2**64 + now", 2**64 + now, "not valid yet"), ("now + 90.5", now + 90.5, "not valid yet"), ("-1", -1, good),
                ("-1e300", -1e300, good), ("now + 10", now + 10, good), ("0.5", 0.5, good)],
        "iat": [("now + 3600", now + 3600, "iat is in the future"), ("1e300", 1e300, "iat is in the future"),
                ("2**63", 2**63, "iat is in the future"), ("-5", -5, good), ("now + 10.5", now + 10.5, good)],
    }
    for name, cases in rows.items():
        for what, value, fault in cases:
            yield bearer(f"{name} {what}", token(HS256, claims(**{name: value})), fault)
        for text in ('"4000000000"', "null", "true", "[4000000000]", "{}", '""', '"never"'):
            yield bearer(f"{name} {text}", token(HS256, raw_claims(f'"{name}": {text}', [name])), number)
        for text in ("1e400", "-1e400", "NaN", "Infinity", "0x7fffffff", "04000000000", "+4000000000", "4e9.5"):
            yield bearer(f"{name} {text}", token(HS256, raw_claims(f'"{name}": {text}', [name])), "the payload is not")
    yield bearer("no exp", token(HS256, claims(exp=None)), "the token has no exp")


def claim_cases():
    sub, issuer, audience, payload = "sub is not an identifier", "iss is not", "aud does not", "the payload is not"
    for what, value in (("empty", ""), ("a number", 7), ("a blank", "a b"), ("dot", "."), ("dots", ".."), ("a slash", "a/b"),
                        ("too long", "a" * 129), ("300 bytes", "a" * 300), ("not ASCII", "\u00e9"), ("an array", [USER]),
                        ("an object", {"sub": USER}), ("false", False), ("a line end", "a\n"), ("a star", "*")):
        yield bearer(f"sub: {what}", token(HS256, claims(sub=value)), sub)
    yield bearer("sub: null", token(HS256, raw_claims('"sub": null', ["sub"])), sub)
    yield bearer("sub: NUL", token(HS256, raw_claims('"sub": "a\\u0000b"', ["sub"])), payload)
    yield bearer("no sub", token(HS256, claims(sub=None)), "the token has no sub")
    for what, value in (("another", "https://evil.example/"), ("no slash", ISSUER[:-1]), ("upper case", ISSUER.upper()),
                        ("an array", [ISSUER]), ("a number", 1), ("empty", "")):
        yield bearer(f"iss: {what}", token(HS256, claims(iss=value)), issuer)
    yield bearer("no iss", token(HS256, claims(iss=None)), issuer)
    for what, value in (("another", "other"), ("an array of others", ["a", "b"]), ("an empty array", []), ("a number", 1),
                        ("an array with a number", [AUDIENCE, 1]), ("nested", [[AUDIENCE]]), ("an object", {AUDIENCE: 1}),
                        ("a prefix", AUDIENCE[:-1]), ("longer", AUDIENCE + "s"), ("empty", "")):
        yield bearer(f"aud: {what}", token(HS256, claims(aud=value)), audience)
    yield bearer("no aud", token(HS256, claims(aud=None)), audience)
    yield bearer("aud: one of an array", token(HS256, claims(aud=["a", AUDIENCE])))
    for name in ("scope", "scp"):
        for what, value in (("a number", 1), ("an object", {}), ("a mixed array", ["rsvp:read", 1]), ("true", True)):
            yield bearer(f"{name}: {what}", token(HS256, claims(**{name: value})), "scope or scp is neither")
    for name in ("sub", "exp", "iss", "aud", "nbf", "x"):
        yield bearer(f"{name} twice", token(HS256, raw_claims(f'"{name}": 1, "{name}": 2')), payload)
        yield bearer(f"{name} twice, below", token(HS256, raw_claims(f'"y": {{"{name}": 1, "{name}": 2}}')), payload)
    for what, value in (("an array", b"[]"), ("a string", b'"x"'), ("nothing", b""), ("null", b"null"), ("no JSON", b"{"),
                        ("more after it", json_of(claims()) + b"{}"), ("UTF-16", json.dumps(claims()).encode("utf-16")),
                        ("a byte order mark", b"\xef\xbb\xbf" + json_of(claims())), ("bad UTF-8", b'{"x":"\xff"}'),
                        ("single quotes", json_of(claims()).replace(b'"', b"'")), ("a comment", b"/**/" + json_of(claims())),
                        ("a deep array", raw_claims('"x": ' + "[" * 2900 + "]" * 2900))):
        yield bearer(f"payload: {what}", token(HS256, value), payload)


def header_cases():
    algorithm, not_understood = "the alg of the token", "the header has crit"
    for name in {"".join(case) for case in itertools.product("nN", "oO", "nN", "eE")}:
        for what, sign in (("", lambda message: b""), (", signed", mac)):
            yield bearer(f"alg {name}{what}", token({"alg": name}, claims(), sign), algorithm)
    for name in ("", " none", "none ", "HS384", "HS512", "hs256", "Hs256", "RS256", "ES256", "ES256K", "PS256", "EdDSA", "HMAC", "dir",
                 "HS256 "):
        yield bearer(f"alg {name!r}", token({"alg": name}, claims()), algorithm)
    yield bearer("alg with NUL", token({"alg": "HS256\0"}, claims()), "the token is not a JWT")
    for value in (None, 1, True, ["HS256"], {"alg": "HS256"}):
        yield bearer(f"alg {value!r}", token({"alg": value}, claims()), algorithm)
    yield bearer("no alg", token({"typ": "JWT"}, claims()), algorithm)
    for name, value in (("crit", ["exp"]), ("crit", []), ("crit", None), ("b64", False), ("b64", True), ("zip", "DEF"),
                        ("enc", "A128GCM")):
        yield bearer(f"{name} {value!r}", token(HS256 | {name: value}, claims()), not_understood)
    yield bearer("cty", token(HS256 | {"cty": "JWT"}, claims()), "the header has cty")
    for value in ("JWE", "dpop+jwt", "id_token", "", None, 1):
        yield bearer(f"typ {value!r}", token(HS256 | {"typ": value}, claims()), "the typ of the token")
    for value in ("jwt", "JWT", "at+jwt", "application/AT+JWT"):
        yield bearer(f"typ {value!r}", token(HS256 | {"typ": value}, claims()))
    for what, value in (("alg twice", b'{"alg":"none","alg":"HS256"}'), ("no object", b"[]"), ("nothing", b""), ("no JSON", b"HS256")):
        yield bearer(f"header: {what}", token(value, claims()), "the token is not a JWT")
    for name, value in (("jwk", {"kty": "oct", "k": encode(b"x" * 32)}), ("jku", "http://127.0.0.1/"), ("x5u", "http://127.0.0.1/")):
        yield bearer(f"{name} in the header", token(HS256 | {name: value}, claims(), lambda m: mac(m, b"x" * 32)), "the signature")
    yield bearer("kid 1", token(HS256 | {"kid": 1}, claims()), "the token is not a JWT")


def form_cases():
    good = token(HS256, claims())
    head, payload, signature = good.split(".")
    no_jwt, bad_signature = "the token is not a JWT", "the signature is not valid"
    for what, value in (("empty", ""), ("one part", head), ("two parts", f"{head}.{payload}"), ("four parts", f"{good}.{head}"),
                        ("dots", ".."), ("padded", good + "="), ("a blank in it", f"{head} .{payload}.{signature}"),
                        ("base64", f"{head}.{payload}.{signature[:-1]}+"), ("quoted", f'"{good}"'), ("a comma", good + ","),
                        ("not ASCII", good + "\u00e9"), ("no first part", f".{payload}.{signature}"),
                        ("in parameters", f"token={good}"), ("one character", f"{head}.{payload}.A")):
        yield bearer(f"form: {what}", value, no_jwt)
    yield bearer("form: twice", f"{good} {good}", "the token is encrypted")
    yield bearer("form: five parts", f"{head}.a.{payload}.b.{signature}", "the token is encrypted")
    for what, value in (("none", ""), ("zeros", encode(bytes(32))), ("shorter", encode(mac(b"")[:16])), ("longer", signature + "AAAA"),
                        ("of nothing", encode(mac(b""))), ("of another secret", encode(mac(f"{head}.{payload}".encode(), b"y" * 32)))):
        yield bearer(f"signature: {what}", f"{head}.{payload}.{value}", bad_signature)
    for fault, size in ((None, SIZE_MAX), ("the token is larger than 8 KiB", SIZE_MAX + 1)):
        for padding in range(SIZE_MAX * 3 // 4 - 400, SIZE_MAX):
            long = token(HS256, claims(pad="a" * padding))
            if len(long) >= SIZE_MAX - 3:
                break
        pad = size - len(long)
        yield bearer(f"{size} bytes", long if fault is None else long + "A" * pad, fault)


def scheme_cases():
    good = token(HS256, claims())
    for scheme in ("bearer", "BEARER", "bEaReR", "Bearer  ", "\t Bearer"):
        yield f"scheme {scheme!r}", f"{scheme} {good}", None
    for blanks in (" ", "\t", "  \t "):
        yield f"{blanks!r} at the end", f"Bearer {good}{blanks}", None
    for value in (good, f"Basic {good}", f"Token {good}", f"JWT {good}", f"Bearer:{good}", f"Bearer,{good}", f"Bearer={good}",
                  f"Bearer\t{good}", f"Bearer{good}", "", "-", f"Digest {good}", f"DPoP {good}", f"Bearers {good}"):
        yield f"{value[:9]!r} in front", value, ""
    yield "the scheme alone", "Bearer", "the token is not a JWT"


def confusion_cases(keys):
    """Against a set of an RSA and an EC key."""
    rsa, ec, other = keys
    algorithm, misfit, signature = "the alg of the token", "the key that kid names", "the signature"

    def made(alg, kid, sign):
        return token({"alg": alg, "kid": kid}, claims(), sign)
    yield bearer("RS256", made("RS256", "rsa", rsa.sign))
    yield bearer("ES256", made("ES256", "ec", ec.sign_raw))
    for what, secret in (("PEM", rsa.pem), ("PEM without its end", rsa.pem.strip()), ("DER", rsa.der), ("nothing", b""),
                         ("modulus", rsa.jwk()["n"].encode())):
        for kid in ("rsa", "ec", "unknown"):
            yield bearer(f"HS256 by {what}, {kid}", made("HS256", kid, lambda message, secret=secret: mac(message, secret)), algorithm)
    for alg, kid, sign in (("RS256", "ec", rsa.sign), ("ES256", "rsa", ec.sign_raw), ("RS256", "ec", ec.sign)):
        yield bearer(f"{alg} with the key {kid}", made(alg, kid, sign), misfit)
    yield bearer("ES256 as DER", made("ES256", "ec", ec.sign), signature)
    for what, raw in (("zeros", bytes(64)), ("ones", b"\xff" * 64), ("r alone", bytes(31) + b"\1" + bytes(32)), ("63 bytes", bytes(63)),
                      ("65 bytes", bytes(65)), ("nothing", b"")):
        yield bearer(f"ES256 of {what}", made("ES256", "ec", lambda message, raw=raw: raw), signature)
    for what, raw in (("zeros", bytes(256)), ("one", bytes(255) + b"\1"), ("ones", b"\xff" * 256), ("255 bytes", bytes(255)), ("nothing", b"")):
        yield bearer(f"RS256 of {what}", made("RS256", "rsa", lambda message, raw=raw: raw), signature)
    yield bearer("RS256 of another key", made("RS256", "rsa", other.sign), signature)
    yield bearer("RS256 that is PS256", made("RS256", "rsa", lambda m: rsa.sign(m, "-sigopt", "rsa_padding_mode:pss")), signature)
    yield bearer("RS256 of SHA-1", made("RS256", "rsa", lambda m: rsa.sign(m, digest="-sha1")), signature)
    for kid in ("unknown", "", "../../dev/null", "' OR 1=1 --", "RSA", "rsa "):
        yield bearer(f"kid {kid!r}", made("RS256", kid, rsa.sign), "the key set has no key")


# --- What comes of it -----------------------------------------------------------------------------

TARGET = f"/v1/users/{USER}/events"


def ask(run, where, fields, target=TARGET):
    head = [f"GET {target} HTTP/1.1", "Host: test", "Connection: close", *fields]
    answer = send_raw(run.servers.port, ("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
    run.look("listUserRsvps", answer, where)
    return answer


def expect_refused(run, where, answer, fault):
    """401 as the API says; an empty fault: as if nothing had been shown."""
    shown, begin = header(answer, "WWW-Authenticate"), f'{REALM}, error="invalid_token", error_description="'
    told = shown.startswith(begin) and fault in shown[len(begin):] if fault else shown == REALM
    run.judge(f"{where}: status", answer.status, 401)
    run.judge(f"{where}: WWW-Authenticate {shown}", told)
    run.judge(f"{where}: one challenge", sum(name == "WWW-Authenticate" for name, _ in answer.headers), 1)
    run.judge(f"{where}: Cache-Control", header(answer, "Cache-Control"), "no-store")
    run.judge(f"{where}: Content-Type", header(answer, "Content-Type"), "application/problem+json")
    run.judge(f"{where}: code", parse_json(answer.body).get("code"), "unauthenticated")


def check_cases(run, cases):
    for what, value, fault in cases:
        answer = ask(run, what, [f"Authorization: {value}"])
        if fault is None:
            run.judge(what, answer.status, 200)
            continue
        expect_refused(run, what, answer, fault)
        told = json.dumps([answer.headers, answer.body.decode(errors="replace")])
        for part in value.replace(" ", ".").split("."):
            run.judge(f"{what}: the answer repeats the token", len(part) > 20 and part in told, False)


def check_ways(run):
    """More than one way at once, and ways that are none."""
    good, bad = token(HS256, claims()), token(HS256, claims(exp=1))
    for first, second in ((good, good), (good, bad), (bad, good)):
        answer = ask(run, "twice", [f"Authorization: Bearer {first}", f"Authorization: Bearer {second}"])
        run.judge("two Authorization", (answer.status, parse_json(answer.body)["code"]), (400, "invalid-parameter"))
    longest = "a" * 128
    answer = ask(run, "long", [f"Authorization: Bearer {token(HS256, claims(sub=longest))}"], TARGET.replace(USER, longest))
    run.judge("the longest sub", answer.status, 200)
    answer = ask(run, "another's", [f"Authorization: Bearer {good}"], TARGET.replace(USER, longest))
    run.judge("another's list", (answer.status, parse_json(answer.body)["code"]), (403, "forbidden"))
    answer = ask(run, "both", [f"Authorization: Bearer {good}", "X-API-Key: rsvpd_x"])
    run.judge("both ways", (answer.status, parse_json(answer.body)["code"]), (400, "invalid-parameter"))
    for name in ("access_token", "token", "authorization"):
        expect_refused(run, f"{name} in the query", ask(run, name, [], f"{TARGET}?{name}={good}"), "")
    for field in (f"Proxy-Authorization: Bearer {good}", f"Cookie: access_token={good}", f"X-Authorization: Bearer {good}"):
        expect_refused(run, field[:20], ask(run, field[:20], [field]), "")


def check_all(run, servers):
    common = {"AUTH_MODE": "token", "AUTH_JWT_ISSUER": ISSUER, "AUTH_JWT_AUDIENCE": AUDIENCE}
    servers.restart_rsvpd(common | {"AUTH_JWT_SECRET": SECRET})
    for cases in (time_cases, claim_cases, header_cases, form_cases, scheme_cases):
        check_cases(run, cases())
    check_ways(run)
    with tempfile.TemporaryDirectory(prefix="rsvpd-tokens-") as directory:
        keys = RsaKey(directory, "rsa"), EcKey(directory, "ec"), RsaKey(directory, "other")
        path = os.path.join(directory, "keys.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"keys": [key.jwk() for key in keys[:2]]}, file)
        servers.restart_rsvpd(common | {"AUTH_JWKS_FILE": path})
        check_cases(run, confusion_cases(keys))
    run.judge("it goes on", servers.is_ready())


if __name__ == "__main__":
    sys.exit(run_checks(sys.argv[1:], __doc__, check_all))
