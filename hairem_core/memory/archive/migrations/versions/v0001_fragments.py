"""Fragments and their vectors."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision: str | None = None

_ID = sa.CHAR(32)
_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
_OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "hairem_fragment",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("agent", _ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("content", _TEXT, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger),
        sa.Column("subject", _TEXT),
        sa.Column("speaker", _TEXT),
        sa.Column("about", _TEXT, nullable=False),
        sa.Column("words", _TEXT, nullable=False),
        sa.Column("rest", _TEXT, nullable=False),
        if_not_exists=True,
        **_OPTIONS,
    )
    op.create_index("hairem_fragment_at", "hairem_fragment", ["at", "id"], if_not_exists=True)
    op.create_index(
        "hairem_fragment_agent", "hairem_fragment", ["agent", "at", "id"], if_not_exists=True
    )
    op.create_table(
        "hairem_vector",
        sa.Column("fragment_id", _ID, primary_key=True),
        sa.Column("model", _TEXT, nullable=False),
        sa.Column(
            "vector",
            sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql"),
            nullable=False,
        ),
        if_not_exists=True,
        **_OPTIONS,
    )


def downgrade() -> None:
    """Take the tables away, with all that is in them."""
    op.drop_table("hairem_vector", if_exists=True)
    op.drop_table("hairem_fragment", if_exists=True)
