"""The systems of record that conversations run on: of `A2A_RECORDS=conversations.company:records`.

They are the platform's own, on a day that never changes, so that conversations can name dates and prices.
"""

from __future__ import annotations

import os
from datetime import date

from a2a_streaming.customer_service.records import SqlRecords

TODAY = date(2027, 3, 1)
"""A Monday."""
DATABASE = "CONVERSATIONS_DATABASE"
"""The environment variable with the database's URL."""

records = SqlRecords(os.environ.get(DATABASE, "sqlite:///records.db"), today=lambda: TODAY)
