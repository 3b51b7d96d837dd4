"""What is written in every turn costs less: heard messages are found by address only where they carry a line."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
WHERE = sa.text("line IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_heard_address", table_name="heard")
    op.create_index("ix_heard_line", "heard", ["address", "at"], sqlite_where=WHERE, postgresql_where=WHERE)


def downgrade() -> None:
    op.drop_index("ix_heard_line", table_name="heard")
    op.create_index("ix_heard_address", "heard", ["address"])
