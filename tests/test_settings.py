"""One precise refusal for each variable that cannot be used."""

from pathlib import Path

import pytest

from infrastructure.settings import Settings, SettingsError, read_settings


def test_nothing_needs_to_be_set() -> None:
    settings = read_settings({"HOME": "/home/dominique"})
    assert settings.database_url is None
    assert settings.key_encryption_key == settings.data_dir / "keys" / "kek"


def test_variables_become_fields() -> None:
    given = {"UNISSON_DATA_DIR": "/srv/unisson", "UNISSON_PORT": "9000", "UNISSON_PGBOUNCER": "true", "PATH": "/bin"}
    assert read_settings(given) == Settings(data_dir=Path("/srv/unisson"), port=9000, pgbouncer=True)


def test_origins_are_separated_by_commas() -> None:
    given = read_settings({"UNISSON_ALLOWED_ORIGINS": "https://a.example,http://localhost:3000"})
    assert given.origins == {"https://a.example", "http://localhost:3000"}
    assert read_settings({}).origins == frozenset()


def test_an_empty_variable_counts_as_unset() -> None:
    assert read_settings({"UNISSON_DATABASE_URL": "", "UNISSON_PORT": ""}).port == 8000


def test_a_key_may_be_held_elsewhere() -> None:
    settings = read_settings({"UNISSON_KEK_FILE": "/run/secrets/kek"})
    assert settings.key_encryption_key == Path("/run/secrets/kek")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("UNISSON_PORT", "http", "expected `int`"),
        ("UNISSON_PORT", "65536", "<= 65535"),
        ("UNISSON_PGBOUNCER", "perhaps", "expected `bool`"),
        ("UNISSON_VAULT_URL", "http://vault.example", "unix:///"),
        ("UNISSON_VAULT_DATABASE_URL", "vault", "postgresql://"),
        ("UNISSON_LOG_LEVEL", "loud", "debug|info|warning|error"),
        ("UNISSON_DATABASE_URL", "mysql://host/name", "postgresql://"),
        ("UNISSON_DATABASE_ULR", "postgresql://host/name", "did you mean UNISSON_DATABASE_URL"),
        ("UNISSON_ALLOWED_ORIGINS", "*", "regex"),
        ("UNISSON_ALLOWED_ORIGINS", "https://a.example/", "regex"),
        ("UNISSON_ALLOWED_ORIGINS", "https://a.example https://b.example", "regex"),
        ("UNISSON_SMTP_SECURITY", "ssl", "starttls|tls|none"),
        ("UNISSON_MAIL_FROM", "a@b.example\nBcc: c@d.example", "regex"),
        ("UNISSON_WEATHER", "fair", "known are UNISSON_DATA_DIR"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(variable: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({variable: value})
    assert refused.value.variable == variable
    assert problem in refused.value.problem


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"UNISSON_SMTP_HOST": "mail.example.org"}, "UNISSON_MAIL_FROM"),
        ({"UNISSON_SMTP_USER": "unisson", "UNISSON_SMTP_SECURITY": "none"}, "UNISSON_SMTP_SECURITY"),
    ],
)
def test_a_mail_server_needs_a_sender_and_no_password_goes_in_clear(given: dict[str, str], variable: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(given)
    assert refused.value.variable == variable


@pytest.mark.parametrize("field", Settings.__struct_fields__)
def test_every_setting_is_documented(field: str) -> None:
    page = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"
    assert f"| `UNISSON_{field.upper()}` |" in page.read_text()


def test_a_password_is_shown_neither_by_a_refusal_nor_by_the_settings() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"UNISSON_DATABASE_URL": "mysql://unisson:secret@host/name"})
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(read_settings({"UNISSON_DATABASE_URL": "postgresql://unisson:secret@host/name"}))
