"""Every setting of the service: environment variables named DESCENT_…, read in this one place."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment when first asked for; an import needs none of it."""

    model_config = SettingsConfigDict(env_prefix="DESCENT_", extra="ignore")

    database_url: str = ""
    """postgresql://… of the owner role; the API and the workers take up their own roles on connecting."""
    broker_url: str = ""
    """redis://… or redis+socket://…"""
    store_url: str = "descent-store"
    """A folder for checkpoints and prepared data (file:// or a plain path)."""

    lease_seconds: float = Field(60.0, gt=0)
    max_attempts: int = Field(5, ge=1)
    """Attempts without progress before a job fails as attempts_exhausted."""
    slice_seconds: float = Field(300.0, gt=0)
    """So long a job keeps its slot at least when another project, below its share of them, waits."""
    orphan_seconds: float = Field(3600.0, gt=0)
    """Files of the store that no row names are put into its trash when they are so old."""
    progress_seconds: float = Field(600.0, gt=0)
    """A running trainer that finishes no step for this long is stopped and tried again."""
    job_memory_bytes: int = Field(0, ge=0)
    """What one job's trainer may have of the host's memory (0: nine tenths of it), or it fails as out_of_memory."""
    job_seconds: float = Field(0.0, ge=0)
    """How long a job may run, all attempts together (0: for ever); then it fails as timeout."""
    preview_seconds: float = Field(5.0, gt=0)
    """How long a submit or a dry run waits for the previews worker."""
    poll_seconds: float = Field(30.0, gt=0)
    """Idle workers ask Postgres for work this often, doorbell or not."""
    upload_bytes: int = Field(4 * 2**30, gt=0)
    """The files of one upload together."""
    upload_seconds: int = Field(300, gt=0)
    upload_memory_bytes: int = Field(4 * 2**30, gt=0)
    """CPU time and address space of the process that looks through an upload."""
    webhook_networks: str = ""
    """Networks beside the public internet that webhooks may lead to, by plain http too: 127.0.0.0/8,::1/128"""
    cors_origins: str = ""
    """Origins whose pages may ask the API with a key of theirs, with commas: https://a.example,https://b.example"""
    log_level: str = "INFO"

    @property
    def heartbeat_seconds(self) -> float:
        return self.lease_seconds / 6

    @property
    def sweep_seconds(self) -> float:
        return min(10.0, self.lease_seconds / 3)

    @property
    def store_path(self) -> Path:
        return Path(self.store_url.removeprefix("file://")).absolute()

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with psycopg 3 as its driver."""
        if not self.database_url:
            raise ValueError("DESCENT_DATABASE_URL is not set (`descent up` brings a database of its own)")
        scheme, separator, rest = self.database_url.partition("://")
        return f"postgresql+psycopg{separator}{rest}" if scheme in ("postgres", "postgresql") else self.database_url


@lru_cache
def get_settings() -> Settings:
    return Settings()
