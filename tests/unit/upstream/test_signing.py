"""Signatures in place of a header: Amazon's as botocore makes it, Google's as its own public key confirms it."""

import json
from types import SimpleNamespace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from joserfc import jwt
from joserfc.jwk import RSAKey

from hub.core.refusal import UpstreamFailed
from hub.upstream.signing import Signers, sigv4

URL = "https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.anthropic.claude%3A0/converse-stream"
BODY = b'{"messages": []}'
AUDIENCE = "https://aiplatform.googleapis.com/"


@pytest.mark.parametrize("session", ["", "a/session+token="])
def test_a_request_is_signed_as_amazons_own_client_signs_it(session):
    theirs = AWSRequest("POST", URL, data=BODY)
    SigV4Auth(Credentials("AKIDEXAMPLE", "se/cret+", session or None), "bedrock", "eu-central-1").add_auth(theirs)
    ours = sigv4(
        SimpleNamespace(url=URL, body=BODY), ("AKIDEXAMPLE", "se/cret+", session), ("eu-central-1", "bedrock"),
        theirs.headers["X-Amz-Date"],
    )  # fmt: skip
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours.get("x-amz-security-token", "") == session


def test_an_api_key_of_bedrock_is_a_bearer_token():
    made = Signers().headers("aws-sigv4", "bedrock", "eu-central-1", SimpleNamespace(url=URL, body=BODY), "plain-key")
    assert made == {"authorization": "Bearer plain-key"}


def test_a_service_account_signs_its_own_token_once_an_hour():
    key = RSAKey.generate_key(2048)
    account = {"client_email": "hub@p.iam", "private_key": key.as_pem(private=True).decode(), "private_key_id": "k1"}
    now = [1_800_000_000.0]
    signers = Signers(now=lambda: now[0])

    def token():
        made = signers.headers("google-jwt", AUDIENCE, "", SimpleNamespace(url=URL, body=BODY), json.dumps(account))
        return made["authorization"].removeprefix("Bearer ")

    first = token()
    read = jwt.decode(first, key, algorithms=["RS256"])
    assert read.header["kid"] == "k1"
    assert (read.claims["iss"], read.claims["aud"]) == ("hub@p.iam", AUDIENCE)
    assert read.claims["exp"] - read.claims["iat"] == 3600
    assert token() == first
    now[0] += 3600
    assert token() != first


def test_a_credential_that_is_no_service_account_is_named_so():
    with pytest.raises(UpstreamFailed, match="no service account") as caught:
        Signers().headers("google-jwt", AUDIENCE, "", SimpleNamespace(url=URL, body=BODY), '{"secret": "s3cr3t"}')
    assert "s3cr3t" not in caught.value.message
