"""What is said to many at once, and was not refused, is in no list of what others wait for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _index(["address", "not_before"], "fate = 'queued' AND (urgency < 2 OR tries > 0)")


def downgrade() -> None:
    _index(["address", "id"], "fate = 'queued'")


def _index(columns: list[str], rows: str) -> None:
    where = sa.text(rows)
    op.drop_index("ix_delivery_waiting", table_name="delivery")
    op.create_index("ix_delivery_waiting", "delivery", columns, sqlite_where=where, postgresql_where=where)
