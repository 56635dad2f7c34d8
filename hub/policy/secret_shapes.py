"""What secrets look like: keys and tokens of many providers, private keys, and values that stand where secrets stand."""

import math
from collections import Counter
from collections.abc import Callable

import re2

# Begins recognisably and has no bounded length: in a stream it cannot be taken out, only stopped.
OPEN_ENDED = frozenset({"private-key"})

_MADE_UP = re2.compile(
    r"(?i)example|your[_-]|changeme|placeholder|redacted|dummy|xxxx|\*\*\*|\.\.\.|<|\{|\$\(|1234567890"
)
_NAME = re2.compile(r"^[A-Za-z_]+(?:\.[A-Za-z_0-9\[\]]+)+$|^[a-z]+(?:[-_][a-z]+)+$")
_NOT_SECRET = re2.compile(
    r"(?i)(?:public|publishable|primary|foreign|partition|sort|cache|idempotency|page|next|previous|sync|csrf|xsrf|continuation|object|s3|"
    r"routing|tracking|locali[sz]ation|translation|i18n|dict|map|json|ssh|anon|lookup|group|row|hash|registry|cursor|resume|progress)"
    r"[_.-]?(?:key|token)s?\b"
)
_VALUE = re2.compile(r"(?:=|:)\s*(?:bearer |basic |token )?['\"]?(.*)$")


def is_varied(text: str) -> bool:
    """Whether a value looks made by chance, and not like `xxxxxxxx`, `your-key-here` or a word."""
    has_both = any(char.isdigit() for char in text) and any(char.isalpha() for char in text)
    return has_both and len(set(text)) >= 8 and _MADE_UP.search(text) is None


def is_secret_value(text: str) -> bool:
    """Whether a name and its value are those of a secret: not a reference, not a placeholder, not another kind of key."""
    found = _VALUE.search(text)
    value: str = str(found.group(1)) if found else text.rpartition(" ")[2]
    value = value.rstrip("'\"")
    if _NOT_SECRET.search(text) is not None or _NAME.match(value) is not None:
        return False
    return is_varied(value) and _entropy(value) >= 2.8


def _entropy(text: str) -> float:
    """Bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


_PROVIDERS: tuple[tuple[str, str], ...] = (
    ("aws-key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{40,255})\b"),
    ("gitlab-token", r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent|oas)-[A-Za-z0-9_-]{20,64}"),
    ("slack-token", r"\bxox[abeoprs]-(?:[A-Za-z0-9]{1,64}-){1,5}[A-Za-z0-9]{10,64}"),
    ("slack-token", r"\bxapp-\d-[A-Z0-9]{8,14}-\d{8,16}-[a-f0-9]{40,80}"),
    ("slack-webhook", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{40,120}"),
    ("discord-webhook", r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d{16,20}/[A-Za-z0-9_-]{60,72}"),
    ("discord-token", r"\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
    ("stripe-key", r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,247}\b"),
    ("stripe-key", r"\bwhsec_[A-Za-z0-9+/]{24,64}"),
    ("anthropic-key", r"\bsk-ant-[A-Za-z0-9_-]{24,200}"),
    ("groq-key", r"\bgsk_[A-Za-z0-9]{40,64}\b"),
    ("xai-key", r"\bxai-[A-Za-z0-9]{60,90}\b"),
    ("perplexity-key", r"\bpplx-[A-Za-z0-9]{32,64}\b"),
    ("replicate-token", r"\br8_[A-Za-z0-9]{37}\b"),
    ("google-key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("google-token", r"\bya29\.[0-9A-Za-z_-]{20,500}"),
    ("google-key", r"\bGOCSPX-[A-Za-z0-9_-]{28}"),
    ("google-key", r"\bAAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{120,150}"),
    ("hugging-face-token", r"\b(?:hf|api_org)_[A-Za-z]{34}\b"),
    ("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("python-index-token", r"\bpypi-AgE[A-Za-z0-9_-]{50,500}"),
    ("rubygems-key", r"\brubygems_[a-f0-9]{48}\b"),
    ("docker-token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{24,64}"),
    ("crates-token", r"\bcio[A-Za-z0-9]{32}\b"),
    ("sendgrid-key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("mailgun-key", r"\bkey-[a-f0-9]{32}\b"),
    ("mailchimp-key", r"\b[a-f0-9]{32}-us\d{1,2}\b"),
    ("twilio-key", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
    ("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    ("databricks-token", r"\bdapi[a-f0-9]{32}(?:-\d)?\b"),
    ("telegram-token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("azure-key", r"(?i)\b(?:account|sharedaccess)key=[A-Za-z0-9+/]{42,86}=="),
    ("azure-signature", r"[?&]sig=[A-Za-z0-9%+/]{43,80}(?:=|%3[dD])"),
    ("azure-secret", r"\b[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    ("linear-key", r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,64}\b"),
    ("notion-token", r"\b(?:ntn_[A-Za-z0-9]{40,50}|secret_[A-Za-z0-9]{43})\b"),
    ("figma-token", r"\bfig[dou]r?_[A-Za-z0-9_-]{40,48}"),
    ("airtable-token", r"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b"),
    ("asana-token", r"\b[12]/\d{14,18}(?:/\d{14,18})?:[a-f0-9]{32}\b"),
    ("atlassian-token", r"\bAT(?:ATT|CTT|BB)[A-Za-z0-9]{2}[A-Za-z0-9_=-]{24,250}"),
    ("pulumi-token", r"\bpul-[a-f0-9]{40}\b"),
    ("terraform-token", r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,72}"),
    ("vault-token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,300}"),
    ("doppler-token", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}\b"),
    ("new-relic-key", r"\bNR(?:AK|RA|II|AA)-[A-Za-z0-9_-]{27,40}"),
    ("sentry-token", r"\bsntry[us]_[A-Za-z0-9_=+/.-]{40,300}"),
    ("grafana-token", r"\bglsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}\b"),
    ("grafana-token", r"\bglc_eyJ[A-Za-z0-9+/=]{32,400}"),
    ("planetscale-token", r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}"),
    ("supabase-key", r"\bsb(?:p_[a-f0-9]{40}\b|_secret_[A-Za-z0-9_-]{20,60})"),
    ("netlify-token", r"\bnf[pcoub]_[A-Za-z0-9]{36,40}\b"),
    ("fly-token", r"\b(?:FlyV1 )?fm[12][ar]?_[A-Za-z0-9+/=,_]{80,700}"),
    ("square-token", r"\b(?:sq0(?:csp|atp|idp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{56,64}\b)"),
    ("paypal-token", r"\baccess_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}\b"),
    ("adyen-key", r"\bAQE[A-Za-z0-9]{60,200}-[A-Za-z0-9+/=]{40,64}"),
    ("plaid-token", r"\baccess-(?:production|sandbox|development)-[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}\b"),
    ("facebook-token", r"\bEAA[A-Z][A-Za-z0-9]{60,300}\b"),
    ("alibaba-key", r"\bLTAI[A-Za-z0-9]{12,26}\b"),
    ("tencent-key", r"\bAKID[A-Za-z0-9]{28,40}\b"),
    ("yandex-key", r"\bAQVN[A-Za-z0-9_-]{35,38}"),
    ("dropbox-token", r"\bsl\.[A-Za-z0-9_-]{130,200}"),
    ("hubspot-token", r"\bpat-[a-z]{2}\d-[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}\b"),
    ("postman-key", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b"),
    ("sourcegraph-token", r"\bsgp_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}\b"),
    ("hub-key", r"\bhub_[0-9a-hjkmnp-tv-z]{12}_[0-9A-Za-z]{49}\b"),
    ("age-key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    (
        "private-key",
        (
            r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[A-Za-z0-9+/=\\\s,:-]*-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
    ),
    (
        "url-password",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,128}:[^\s/:@'\"{$<]{3,128}@[^\s/'\"]{1,128}",
    ),
)

_NAMES = (
    r"(?:api[_. -]?key|secret(?:[_. -]?(?:key|token|access[_. -]?key))?|client[_. -]?secret"
    r"|(?:access|auth|refresh|api|bot|server|deploy|bearer|personal[_. -]access)[_. -]?token"
    r"|(?:encryption|signing|private|master|account|access|license|service|webhook)[_. -]?(?:key|secret)"
    r"|[a-z0-9]{2,30}[_-](?:key|token|secret|pwd|pass|password)|token|passwd|password|passphrase|passwor[td]|pwd|kennwort"
    r"|mot de passe|contrase.{1,2}a|senha|wachtwoord|has[lł]o|пароль|密码|パスワード|credentials?)"
)
_CONTEXT: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("openai-key", r"\bsk-(?:proj-|svcacct-|admin-|or-v1-|None-)?[A-Za-z0-9_-]{20,200}", is_varied),
    (
        "aws-secret",
        r"(?i)\baws.{0,24}(?:secret|key).{0,12}[=:]\s{0,3}['\"]?(?P<it>[A-Za-z0-9/+]{40})\b",
        is_secret_value,
    ),
    (
        "authorization",
        r"(?i)\b(?:authorization|proxy-authorization)['\"]?\s{0,3}[=:]\s{0,3}['\"]?(?:bearer|basic|token|apikey)\s(?P<it>[A-Za-z0-9_+/=.~-]{16,500})",
        is_varied,
    ),
    ("assigned-secret", r"(?i)\bmachine \S{1,80} login \S{1,80} password (?P<it>\S{8,128})", is_secret_value),
    (
        "assigned-secret",
        rf"(?i)(?:\b|[_-]){_NAMES}['\"]?\s{{0,3}}(?:=|:|:=|=>)\s{{0,3}}['\"]?(?P<it>[A-Za-z0-9_/+!@#$%^&*.~=-]{{12,200}})",
        is_secret_value,
    ),
)

SECRET_SHAPES: tuple[tuple[str, str, Callable[[str], bool] | None], ...] = (
    *((kind, pattern, None) for kind, pattern in _PROVIDERS),
    *_CONTEXT,
)
