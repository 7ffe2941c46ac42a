"""What every table shares: constraint names that Alembic can find again, and the types of annotated columns."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Double, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase

NAMING_CONVENTION = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


class Base(DeclarativeBase):
    """`dict` columns are `json`, which keeps the client's key order; floats are float8 and come back to the bit."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {
        str: Text(),
        int: BigInteger(),
        float: Double(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: ARRAY(Text()),
        list[float]: ARRAY(Double()),
    }
