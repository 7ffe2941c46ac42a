"""Alembic without an ini file, so that it works from an installed package too."""

from pathlib import Path

from alembic import command
from alembic.config import Config

import migrations
from app.database import get_engine


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    return config


def upgrade(revision: str = "head") -> None:
    """Bring the tables of DESCENT_DATABASE_URL to `revision`; concurrent calls wait for each other."""
    command.upgrade(alembic_config(), revision)
    get_engine().dispose()
