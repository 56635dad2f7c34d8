"""Secrets of nobody, put together by chance when a test runs, so that none stands in a file; and what only looks like one."""

import base64
import json
import string

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
URL = ALNUM + "-_"


def some(dice, alphabet, count):
    made = "".join(dice.choice(alphabet) for _ in range(count))
    has_digit = count < 8 or "5" not in alphabet or any(char.isdigit() for char in made)
    return made if has_digit else some(dice, alphabet, count)


def jwt(dice):
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": some(dice, LOWER, 12), "iat": 1700000000 + dice.randint(0, 99999)})
    head = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*head, some(dice, URL, 43)])


def private_key(dice):
    kind = dice.choice(("RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "))
    rows = [some(dice, ALNUM + "+/", 64) for _ in range(4)]
    return "\n".join((f"-----BEGIN {kind}PRIVATE KEY-----", *rows, f"-----END {kind}PRIVATE KEY-----"))


def of(*shape):
    """A maker: texts stand for themselves, (alphabet, count) for that many characters of it."""
    return lambda dice: "".join(part if isinstance(part, str) else some(dice, *part) for part in shape)


SECRETS = {
    "aws": of("AKIA", (UPPER[:-10] + "234567", 16)), "aws temporary": of("ASIA", (UPPER[:-10] + "234567", 16)),
    "aws secret": of("aws_secret_access_key = ", (ALNUM + "/+", 40)), "github": of("ghp_", (ALNUM, 36)), "github app": of("ghs_", (ALNUM, 36)),
    "github fine": of("github_pat_", (ALNUM, 22), "_", (ALNUM, 59)), "gitlab": of("glpat-", (URL, 20)), "gitlab runner": of("glrt-", (URL, 20)),
    "slack": of("xoxb-", (string.digits, 12), "-", (string.digits, 12), "-", (ALNUM, 24)), "slack user": of("xoxp-", (string.digits, 11), "-", (string.digits, 11), "-", (string.digits, 12), "-", (HEX, 32)),
    "slack app": of("xapp-1-A", (UPPER, 10), "-", (string.digits, 13), "-", (HEX, 64)),
    "slack hook": of("https://hooks.slack.com/services/T", (UPPER, 8), "/B", (UPPER, 10), "/", (ALNUM, 24)),
    "discord hook": of("https://discord.com/api/webhooks/", (string.digits, 18), "/", (URL, 68)), "discord bot": of("M", (ALNUM, 23), ".", (URL, 6), ".", (URL, 38)),
    "stripe": of("sk_live_", (ALNUM, 24)), "stripe restricted": of("rk_live_", (ALNUM, 24)), "stripe hook": of("whsec_", (ALNUM, 32)),
    "anthropic": of("sk-ant-api03-", (URL, 93), "AA"), "openai": of("sk-", (ALNUM, 20), "T3BlbkFJ", (ALNUM, 20)), "openai project": of("sk-proj-", (URL, 74), "T3BlbkFJ", (URL, 74)),
    "openrouter": of("sk-or-v1-", (HEX, 64)), "groq": of("gsk_", (ALNUM, 52)), "xai": of("xai-", (ALNUM, 80)), "perplexity": of("pplx-", (ALNUM, 48)),
    "replicate": of("r8_", (ALNUM, 37)), "hugging face": of("hf_", (string.ascii_letters, 33), "x"), "cohere": of("COHERE_API_KEY=", (ALNUM, 40)), "mistral": of("MISTRAL_API_KEY: ", (ALNUM, 32)),
    "google": of("AIza", (URL, 35)), "google token": of("ya29.", (URL, 120)), "google client": of("GOCSPX-", (URL, 28)), "firebase": of("AAAA", (URL, 7), ":APA91b", (URL, 134)),
    "azure": of("AccountKey=", (ALNUM + "+/", 86), "=="), "azure sas": of("?sv=2022-11-02&sr=b&sig=", (ALNUM, 43), "%3D"), "azure openai": of("AZURE_OPENAI_API_KEY=", (HEX, 32)), "azure client": of((ALNUM, 3), "8Q~", (URL, 34)),
    "npm": of("npm_", (ALNUM, 36)), "python index": of("pypi-", "AgEIcHlwaS5vcmc", (URL, 80)), "rubygems": of("rubygems_", (HEX, 48)), "docker": of("dckr_pat_", (URL, 27)), "crates": of("cio", (ALNUM, 32)),
    "sendgrid": of("SG.", (URL, 22), ".", (URL, 43)), "mailgun": of("key-", (HEX, 32)), "mailchimp": of((HEX, 32), "-us21"), "twilio": of("SK", (HEX, 32)), "postmark": of("POSTMARK_SERVER_TOKEN=", (HEX, 8), "-", (HEX, 4), "-", (HEX, 4), "-", (HEX, 4), "-", (HEX, 12)),
    "digitalocean": of("dop_v1_", (HEX, 64)), "shopify": of("shpat_", (HEX, 32)), "databricks": of("dapi", (HEX, 32)), "telegram": of((string.digits, 10), ":AA", (URL, 33)),
    "linear": of("lin_api_", (ALNUM, 40)), "notion": of("ntn_", (ALNUM, 46)), "figma": of("figd_", (URL, 43)), "airtable": of("pat", (ALNUM, 14), ".", (HEX, 64)), "asana": of("1/", (string.digits, 16), ":", (HEX, 32)),
    "atlassian": of("ATATT3xFfGF0", (URL, 180)), "pulumi": of("pul-", (HEX, 40)), "terraform": of((ALNUM, 14), ".atlasv1.", (URL, 67)), "vault": of("hvs.", (URL, 95)), "doppler": of("dp.pt.", (ALNUM, 43)),
    "new relic": of("NRAK-", (UPPER, 27)), "datadog": of("DD_API_KEY=", (HEX, 32)), "sentry": of("sntrys_eyJ", (ALNUM, 120)), "grafana": of("glsa_", (ALNUM, 32), "_", (HEX, 8)), "grafana cloud": of("glc_eyJ", (ALNUM, 90)),
    "planetscale": of("pscale_tkn_", (URL, 43)), "supabase": of("sbp_", (HEX, 40)), "vercel": of("VERCEL_TOKEN=", (ALNUM, 24)), "netlify": of("nfp_", (ALNUM, 36)), "flyio": of("FlyV1 fm2_", (ALNUM, 120)), "cloudflare": of("CLOUDFLARE_API_TOKEN=", (URL, 40)),
    "square": of("sq0csp-", (URL, 43)), "square token": of("EAAA", (URL, 60)), "paypal": of("access_token$production$", (LOWER, 16), "$", (HEX, 32)), "adyen": of("AQE", (ALNUM, 120), "-", (ALNUM + "+/=", 60)), "plaid": of("access-production-", (HEX, 8), "-", (HEX, 4), "-", (HEX, 4), "-", (HEX, 4), "-", (HEX, 12)),
    "facebook": of("EAACEdEose0cBA", (ALNUM, 80)), "alibaba": of("LTAI", (ALNUM, 20)), "tencent": of("AKID", (ALNUM, 32)), "yandex": of("AQVN", (URL, 36)), "ibm": of("IBM_CLOUD_API_KEY=", (URL, 44)),
    "age": of("AGE-SECRET-KEY-1", ("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)), "jwt": jwt, "private key": private_key,
    "postgres": of("postgresql://app:", (ALNUM, 16), "@db.internal:5432/app"), "mongo": of("mongodb+srv://root:", (ALNUM, 14), "@cluster0.example.net/x"), "redis": of("redis://:", (ALNUM, 20), "@cache:6379/0"), "basic": of("https://deploy:", (ALNUM, 18), "@git.example.com/a.git"),
    "bearer": of("Authorization: Bearer ", (URL, 40)), "basic header": of("Authorization: Basic ", (ALNUM, 30), "=="), "api key header": of("X-Api-Key: ", (ALNUM, 32)), "password": of("password = ", '"', (ALNUM + "!$%", 16), '"'), "env password": of("DB_PASSWORD=", (ALNUM, 18)), "client secret": of('"client_secret": "', (URL, 40), '"'), "yaml token": of("auth_token: ", (ALNUM, 32)),
    "netrc": of("machine git.example.com login ann password ", (ALNUM, 16)), "passwort": of("Passwort: ", (ALNUM, 14)), "encryption key": of("ENCRYPTION_KEY=", (HEX, 64)), "signing secret": of("SIGNING_SECRET: ", (HEX, 40)),
    "hub": of("hub_", ("0123456789abcdefghjkmnpqrstvwxyz", 12), "_", (ALNUM, 49)),
}  # fmt: skip

HARMLESS = {
    "aws pattern": of("the pattern is AKIA[0-9A-Z]{16}, ", (string.ascii_lowercase, 8)), "example": of("set api_key to YOUR_API_KEY_HERE and ", (string.ascii_lowercase, 6)),
    "placeholder": of("OPENAI_API_KEY=sk-your-key-here-", (string.ascii_lowercase, 5)), "masked": of("sk-proj-****************", (LOWER, 4)), "masked slack": of("xoxb-********-", (LOWER, 4)),
    "variable": of("password = os.environ['", (string.ascii_uppercase, 9), "_PASSWORD']"), "shell": of("export TOKEN=$(vault read ", (string.ascii_lowercase, 8), ")"), "template": of("password: ${", (string.ascii_uppercase, 10), "}"),
    "jinja": of("api_key: {{ secrets.", (string.ascii_lowercase, 12), " }}"), "prompt": of("password = getpass.getpass('", (string.ascii_lowercase, 8), "')"), "type": of("def login(password: str, ", (string.ascii_lowercase, 7), ": int) -> None"),
    "reference": of("secret: env:", (string.ascii_uppercase, 8), "_KEY"), "commit": of("commit ", (HEX, 40)), "digest": of("sha256:", (HEX, 64)), "md5": of("md5 ", (HEX, 32)), "integrity": of('"integrity": "sha512-', (ALNUM + "+/", 86), '=="'),
    "uuid": of((HEX, 8), "-", (HEX, 4), "-4", (HEX, 3), "-a", (HEX, 3), "-", (HEX, 12)), "public key": of("ssh-ed25519 AAAAC3NzaC1l", "ZDI1NTE5AAAAI", (ALNUM, 43), " ann@laptop"), "public pem": of("-----BEGIN PUBLIC KEY-----\n", (ALNUM, 64), "\n-----END PUBLIC KEY-----"),
    "certificate": of("-----BEGIN CERTIFICATE-----\nMII", (ALNUM + "+/", 61), "\n-----END CERTIFICATE-----"), "publishable": of("pk_test_", (ALNUM, 24)), "customer": of("cus_", (ALNUM, 14)), "payment": of("pi_", (ALNUM, 24)), "request id": of("req_", (ALNUM, 24)),
    "message id": of("msg_01", (ALNUM, 22)), "completion": of("chatcmpl-", (ALNUM, 29)), "css": of("sk-fading-circle sk-circle-", (string.ascii_lowercase, 6)), "task": of("task-", (string.ascii_lowercase, 12), "-", (string.ascii_lowercase, 12)),
    "url": of("https://docs.example.com:8443/a/", (LOWER, 12), "@latest"), "git url": of("git@github.com:", (string.ascii_lowercase, 8), "/tool.git"), "image": of("data:image/png;base64,iVBORw0KGgo", (ALNUM + "+/", 80), "="), "etag": of('etag: W/"', (HEX, 40), '"'),
    "trace": of("traceparent: 00-", (HEX, 32), "-", (HEX, 16), "-01"), "object id": of("_id: ", (HEX, 24)), "nonce": of("script-src 'nonce-", (ALNUM, 22), "=='"), "arn": of("arn:aws:iam::", (string.digits, 12), ":role/", (string.ascii_lowercase, 10)),
    "model": of("claude-sonnet-4-5-2025", (string.digits, 4)), "rules": of("passwords have at least ", ("123456789", 1), " characters, a digit and a sign, ", (string.ascii_lowercase, 5)), "policy": of("password_policy: minimum-length-", ("123456789", 2)), "field": of("token_type: bearer, expires_in: ", (string.digits, 4)),
    "count": of("max_tokens: ", (string.digits, 5)), "label": of('<label for="password">Password</label><input id="', (string.ascii_lowercase, 8), '">'), "question": of("I forgot my password: what shall I do, ", (string.ascii_lowercase, 5), "?"), "sdk": of("client = Client(api_key=settings.", (string.ascii_lowercase, 9), ")"),
    "helm": of("secretKeyRef: {name: app-", (string.ascii_lowercase, 6), ", key: api-key}"), "path": of("password_file: /run/secrets/", (string.ascii_lowercase, 10)), "branch": of("feature/", (string.ascii_lowercase, 10), "-", (string.digits, 4)), "license": of("SPDX-License-Identifier: MIT ", (string.ascii_lowercase, 4)),
    "pep440": of("torch==2.3.1+cu121 --hash=sha256:", (HEX, 64)), "version": of("boto3-1.34.", (string.digits, 3), "-py3-none-any.whl"), "sentence": of("The secret key of success is patience, said ", (string.ascii_lowercase, 6)), "oauth": of("https://login.example/authorize?client_id=", (HEX, 20), "&response_type=code"),
}  # fmt: skip
