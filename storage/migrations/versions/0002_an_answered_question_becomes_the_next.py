"""An answered question becomes the next."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.add_column(sa.Column("settles", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("settled", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("in_place", sa.Boolean(), nullable=False, server_default=sa.false()))
