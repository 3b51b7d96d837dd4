"""What is said in pieces goes on where it stopped, whichever process sends the rest."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("begun", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("delivery", "begun")
