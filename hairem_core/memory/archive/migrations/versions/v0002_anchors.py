"""The head of the chain of events as it was verified, and what the archive notes for itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision: str | None = "0001"

_OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "hairem_anchor",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "hash",
            sa.LargeBinary(64).with_variant(mysql.VARBINARY(64), "mysql"),
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger, nullable=False),
        if_not_exists=True,
        **_OPTIONS,
    )
    op.create_table(
        "hairem_state",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql"), nullable=False),
        if_not_exists=True,
        **_OPTIONS,
    )


def downgrade() -> None:
    """Take the tables away, with all that is in them."""
    op.drop_table("hairem_state", if_exists=True)
    op.drop_table("hairem_anchor", if_exists=True)
