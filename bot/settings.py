"""The settings: the only reader of the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingProblem(Exception):
    """A setting that cannot be right; one line that names it."""


class Settings(BaseSettings):
    """Every setting, from the environment or `.env`; `.env.example` explains each."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    database_url: str = ""
    data_dir: Path = Path("data")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
    secret_key: SecretStr = SecretStr("")
    association_name: str = "Hội Khuyến học"
    telegram_bot_token: SecretStr = SecretStr("")
    telegram_api_url: str = "https://api.telegram.org"
    telegram_webhook_secret: SecretStr = SecretStr("")
    zalo_bot_token: SecretStr = SecretStr("")
    zalo_bot_api_url: str = "https://bot-api.zaloplatforms.com"
    zalo_bot_webhook_secret: SecretStr = SecretStr("")
    zalo_oa_app_id: str = ""
    zalo_oa_app_secret: SecretStr = SecretStr("")
    zalo_oa_secret_key: SecretStr = SecretStr("")
    zalo_oa_api_url: str = "https://openapi.zalo.me"
    zalo_oauth_url: str = "https://oauth.zaloapp.com"
    zalo_oa_templates: str = ""
    messages_per_minute: int = Field(default=60, ge=1)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("public_url", "telegram_api_url", "zalo_bot_api_url", "zalo_oa_api_url", "zalo_oauth_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @property
    def web_address(self) -> str:
        """Where a person opens the web chat."""
        host = "localhost" if self.http_host in ("127.0.0.1", "0.0.0.0", "::") else self.http_host  # noqa: S104
        return self.public_url or f"http://{host}:{self.http_port}"

    @property
    def database(self) -> str:
        """The database's address; a SQLite file in DATA_DIR where none is set."""
        return self.database_url or f"sqlite:///{self.data_dir / 'bot.sqlite3'}"


def read_settings() -> Settings:
    """The settings in force. Raises SettingProblem."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(map(str, first["loc"])).upper()
        raise SettingProblem(f"{name}: {first['msg'].removeprefix('Value error, ')}") from error
