"""What is written in every turn costs less: a message is marked as heard on the answer to it."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
LINE, ANSWERS = sa.text("line IS NOT NULL"), sa.text("answers IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_heard_address", table_name="heard")
    op.create_index("ix_heard_line", "heard", ["address", "at"], sqlite_where=LINE, postgresql_where=LINE)
    op.add_column("delivery", sa.Column("answers", sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.create_index(
        "ix_delivery_answers", "delivery", ["answers"], unique=True, sqlite_where=ANSWERS, postgresql_where=ANSWERS
    )


def downgrade() -> None:
    marked = "SELECT answers, address, created_at FROM delivery WHERE answers IS NOT NULL"
    op.execute(f"INSERT INTO heard (key, address, at) {marked} ON CONFLICT DO NOTHING")
    op.drop_index("ix_delivery_answers", table_name="delivery")
    op.drop_column("delivery", "answers")
    op.drop_index("ix_heard_line", table_name="heard")
    op.create_index("ix_heard_address", "heard", ["address"])
