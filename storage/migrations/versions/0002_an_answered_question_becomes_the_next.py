"""An answered question becomes the next; what is urgent goes first; one pace for all processes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
QUEUED = {"sqlite_where": sa.text("fate = 'queued'"), "postgresql_where": sa.text("fate = 'queued'")}


def upgrade() -> None:
    op.create_table(
        "turnstile",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel"),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.add_column(sa.Column("settles", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("settled", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("in_place", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("channel", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("urgency", sa.Integer(), nullable=False, server_default="0"))
        batch_op.drop_index("ix_delivery_due")
        batch_op.create_index("ix_delivery_due", ["channel", "urgency", "not_before", "id"], unique=False, **QUEUED)
        batch_op.create_index("ix_delivery_waiting", ["address", "id"], unique=False, **QUEUED)
    before_the_colon = {"sqlite": "substr(address, 1, instr(address, ':') - 1)", "postgresql": "split_part(address, ':', 1)"}
    op.execute(f"UPDATE delivery SET channel = {before_the_colon[op.get_bind().dialect.name]}")  # noqa: S608
