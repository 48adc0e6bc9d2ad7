"""By when a person is to have a ticket, and when it was found that nobody had it by then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add both; what waits has a quarter of an hour from now."""
    moment = sa.DateTime(timezone=True)
    op.add_column("tickets", sa.Column("due_at", moment, nullable=True))
    op.add_column("tickets", sa.Column("raised_at", moment, nullable=True))
    tickets = sa.table("tickets", sa.column("due_at", moment))
    op.execute(tickets.update().values(due_at=datetime.now(UTC) + timedelta(minutes=15)))
    op.drop_index("ix_tickets_queue", table_name="tickets")
    op.create_index("ix_tickets_queue", "tickets", ["state", "due_at"], unique=False)
    op.create_index("ix_tickets_overdue", "tickets", ["state", "raised_at", "due_at"], unique=False)
