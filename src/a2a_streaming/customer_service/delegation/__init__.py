"""Delegation: specialists work on a customer's request, over A2A, and their streams are relayed.

    Errand ──► SpecialistClient sends, and follows over cuts ──► relay ──► the customer's task
                     │                                             │
               a2a-sdk's client                       Place: how far, stored with each event

`Delegator` carries out errands one after the other; docs/delegation.md says what is promised.
"""

from __future__ import annotations

from a2a_streaming.customer_service.delegation.delegator import Delegator
from a2a_streaming.customer_service.delegation.directory import Directory
from a2a_streaming.customer_service.delegation.trouble import Trouble

__all__ = ["Delegator", "Directory", "Trouble"]
