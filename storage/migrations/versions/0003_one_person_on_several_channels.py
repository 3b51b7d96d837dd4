"""One person on several channels: codes, what was joined, errands, a platform's keys, what was sent in a month."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
TEXT = sqlmodel.sql.sqltypes.AutoString
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "credential",
        sa.Column("channel", TEXT(), nullable=False),
        sa.Column("access_token", TEXT(), nullable=False),
        sa.Column("refresh_token", TEXT(), nullable=False),
        sa.Column("obtained_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("problem", TEXT(), nullable=True),
        sa.PrimaryKeyConstraint("channel"),
    )
    op.create_table(
        "sendings",
        sa.Column("channel", TEXT(), nullable=False),
        sa.Column("month", TEXT(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("warned_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("channel", "month"),
    )
    op.create_table(
        "linkcode",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("figures_hash", TEXT(), nullable=False),
        sa.Column("word_hash", TEXT(), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=False),
        sa.Column("rebinds", sa.Boolean(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("word_hash"),
    )
    with op.batch_alter_table("linkcode", schema=None) as batch_op:
        batch_op.create_index("ix_linkcode_person_id", ["person_id"], unique=False)
        batch_op.create_index("ix_linkcode_figures_hash", ["figures_hash"], unique=False)
    op.create_table(
        "joined",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", TEXT(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("former_id", sa.Integer(), nullable=False),
        sa.Column("moved", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.ForeignKeyConstraint(["former_id"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("joined", schema=None) as batch_op:
        batch_op.create_index("ix_joined_address", ["address"], unique=False)
        batch_op.create_index("ix_joined_person_id", ["person_id"], unique=False)
    op.create_table(
        "errand",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("place_id", sa.Integer(), nullable=True),
        sa.Column("text", TEXT(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("done_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"]),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"]),
        sa.ForeignKeyConstraint(["done_by"], ["person.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("errand", schema=None) as batch_op:
        batch_op.create_index("ix_errand_person_id", ["person_id"], unique=False)
        batch_op.create_index("ix_errand_place_id", ["place_id"], unique=False)
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.add_column(sa.Column("asked_at", TEXT(), nullable=True))
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.add_column(sa.Column("instead", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("kind", TEXT(), nullable=True))
        batch_op.add_column(sa.Column("outside", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("wants_name", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("listed", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("numbered", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("hint", TEXT(), nullable=True))
