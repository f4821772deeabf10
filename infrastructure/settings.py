"""What an installation may choose, read from UNISSON_* environment variables. Nothing else reads the environment."""

import difflib
import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

PREFIX = "UNISSON_"
VAULT_URL = r"^(unix:///|https://|http://(127\.0\.0\.1|localhost)(:[0-9]+)?$)[!-~]*$"
ORIGIN = r"https?://[a-z0-9.-]+(:[0-9]+)?"
MAIL_FROM = r"^([A-Za-z0-9 .-]+ <)?[!-;=?A-~]+@[A-Za-z0-9.-]+>?$(?!\n)"
READ_BY_THE_TESTS = frozenset({"UNISSON_TEST_DATABASE_URL", "UNISSON_HYPOTHESIS"})


class SettingsError(Exception):
    """One variable cannot be used; the message names it and says what it may hold."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
        self.problem = problem


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each field is the variable of the same name in capitals: `data_dir` is UNISSON_DATA_DIR."""

    data_dir: Path
    """Everything this installation keeps: the embedded database, keys."""
    database_url: str | None = None
    """An external PostgreSQL; unset, an embedded one runs under `data_dir`."""
    pg_bin: Path | None = None
    """A folder with `postgres` and `initdb`, used instead of the packaged binaries."""
    pgbouncer: bool = False
    """The external address is a pgbouncer in transaction mode: no prepared statements, no start-up parameters."""
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    public_url: Annotated[str, msgspec.Meta(pattern="^https?://[!-~]+$")] | None = None
    """Where partners reach the API; unset, `host` and `port`."""
    allowed_origins: Annotated[str, msgspec.Meta(pattern=f"^{ORIGIN}(,{ORIGIN})*$")] | None = None
    """Of pages that may read answers in a browser, separated by commas; unset, none."""
    allow_loopback_webhooks: bool = False
    """Development only: webhooks may go to http addresses and to 127.0.0.1."""
    log_level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"
    lang: Annotated[str, msgspec.Meta(pattern="^(fr|en)$")] = "fr"
    """What the command line speaks."""
    log_witnesses: str | None = None
    """Who is shown each checkpoint of the log, separated by spaces: folders, or addresses followed by # and a key."""
    kek_file: Path | None = None
    """The key-encryption key; unset, `keys/kek` under `data_dir`."""
    retention_used_months: Annotated[int, msgspec.Meta(ge=1, le=1200)] = 24
    """How long a person's data are used after the last contact; then they are archived."""
    retention_archived_months: Annotated[int, msgspec.Meta(ge=1, le=1200)] = 24
    """How long they are then kept; then they are erased."""
    persons_per_user: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200
    """How many different persons one user may look at in a day."""
    persons_per_agency: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 2_000
    """How many all users of an agency may, together."""
    break_glass_log_months: Annotated[int, msgspec.Meta(ge=12, le=36)] = 12
    """How long accesses made by breaking the glass stay in the access log; the others stay twelve months."""
    oidc_issuer: Annotated[str, msgspec.Meta(pattern="^https?://[!-~]+$")] | None = None
    """The identity provider that people sign in with; unset, nobody signs in but by a bootstrap link."""
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    """What the provider gave us to prove who we are."""
    oidc_scope: str = "openid given_name usual_name email"
    oidc_acr: str | None = None
    """Levels of assurance that count as strong, separated by commas."""
    oidc_amr: str = "mfa"
    """Ways of signing in that count as strong, separated by commas; one of these, or of `oidc_acr`, is required."""
    smtp_host: str | None = None
    """The server that mail is left with; unset, no mail leaves."""
    smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """By default 587 with STARTTLS, 465 with TLS, 25 without."""
    smtp_security: Annotated[str, msgspec.Meta(pattern="^(starttls|tls|none)$")] = "starttls"
    smtp_ca_file: Path | None = None
    """Certificates that the server's is checked by; unset, the system's."""
    smtp_user: str | None = None
    smtp_password_file: Path | None = None
    mail_from: Annotated[str, msgspec.Meta(pattern=MAIL_FROM)] | None = None
    """Whom mails are from, such as `Unisson <unisson@example.org>`; required with a server."""
    vault_url: Annotated[str, msgspec.Meta(pattern=VAULT_URL)] | None = None
    """A key vault in a process of its own; unset, it is part of each process."""
    vault_database_url: str | None = None
    """The vault's own PostgreSQL; unset, the same as `database_url`."""
    vault_token_file: Path | None = None
    """What those who ask the vault show; unset, `keys/vault-token` under `data_dir`."""

    def __post_init__(self) -> None:
        for name in ("database_url", "vault_database_url"):
            address = getattr(self, name)
            if address is not None and not re.match("postgres(ql)?://", address):
                raise ValueError(f"expected an address such as postgresql://user@host/name - at `$.{name}`")
        if self.oidc_issuer is not None and self.oidc_client_id is None:
            raise ValueError("expected the name that the identity provider gave us - at `$.oidc_client_id`")
        if self.smtp_host is not None and self.mail_from is None:
            raise ValueError("expected an address that mails are from - at `$.mail_from`")
        if self.smtp_user is not None and self.smtp_security == "none":
            raise ValueError("expected starttls or tls: no password goes in clear - at `$.smtp_security`")
        if self.oidc_issuer is not None and not re.match(
            r"https://|http://(127\.0\.0\.1|localhost)[:/]", self.oidc_issuer
        ):
            raise ValueError("expected an address that begins with https:// - at `$.oidc_issuer`")

    def __repr__(self) -> str:
        """Leaves out the database address, which may hold a password."""
        return f"Settings(data_dir={str(self.data_dir)!r}, external_database={self.database_url is not None})"

    @property
    def origins(self) -> frozenset[str]:
        return frozenset((self.allowed_origins or "").split(",")) - {""}

    @property
    def address(self) -> str:
        """Where partners and people reach the API."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def key_encryption_key(self) -> Path:
        return self.kek_file or self.data_dir / "keys" / "kek"

    @property
    def vault_token(self) -> Path:
        return self.vault_token_file or self.data_dir / "keys" / "vault-token"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Refuses an unknown or ill-formed variable with `SettingsError`; an empty variable counts as unset."""
    environment = os.environ if environment is None else environment
    given: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) and name not in READ_BY_THE_TESTS and value
    }
    for field in given:
        if field not in Settings.__struct_fields__:
            raise SettingsError(_variable(field), _unknown(field))
    given.setdefault("data_dir", default_data_dir(environment))
    for field in (
        "data_dir",
        "pg_bin",
        "kek_file",
        "vault_token_file",
        "oidc_client_secret_file",
        "smtp_ca_file",
        "smtp_password_file",
    ):
        if field in given:
            given[field] = Path(given[field]).expanduser().absolute()
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).rpartition(" - at ")
        raise SettingsError(_variable(path.strip("`").removeprefix("$.")), problem.lower()) from None


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """/var/lib/unisson as root, the XDG data home of anyone else."""
    if os.geteuid() == 0:
        return Path("/var/lib/unisson")
    home = environment.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
    return Path(environment.get("XDG_DATA_HOME") or Path(home) / ".local" / "share") / "unisson"


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _unknown(field: str) -> str:
    near = difflib.get_close_matches(field, Settings.__struct_fields__, n=1)
    hint = (
        f"did you mean {_variable(near[0])}?"
        if near
        else "known are " + ", ".join(map(_variable, Settings.__struct_fields__))
    )
    return f"no such setting; {hint}"
