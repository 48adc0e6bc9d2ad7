"""The Billing Agent: balance, invoices, refunds, subscriptions, failed payments and disputes."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_streaming.customer_service import cards
from a2a_streaming.customer_service.billing.balance import AccountBalance
from a2a_streaming.customer_service.billing.dispute import Disputes
from a2a_streaming.customer_service.billing.earlier import resolve
from a2a_streaming.customer_service.billing.invoices import Invoices
from a2a_streaming.customer_service.billing.knowledge import Account
from a2a_streaming.customer_service.billing.limits import CANNOT
from a2a_streaming.customer_service.billing.lookups import lookups
from a2a_streaming.customer_service.billing.payment import Payments
from a2a_streaming.customer_service.billing.reading import OfflineBillingReader
from a2a_streaming.customer_service.billing.refund import Refunds
from a2a_streaming.customer_service.billing.subscription import SubscriptionPlans
from a2a_streaming.customer_service.claude import Claude
from a2a_streaming.customer_service.claude.reading import Lookup
from a2a_streaming.customer_service.dialogue import Beyond, Earlier, Reader, SpecialistAgent, Wish
from a2a_streaming.customer_service.records import Customer, Records


class BillingAgent(SpecialistAgent[Account]):
    """Sees to what a customer owes, pays and gets back.

    Args:
        records: The systems of record.
        reader: Reads customers' words, where Claude doesn't; by default by rules.
        claude: Reads them, and words the answers; None to do both by rules.
    """

    card = cards.BILLING
    looks = "Looking up your account"

    def __init__(
        self,
        records: Records,
        reader: Reader[Account] | None = None,
        claude: Claude | None = None,
    ) -> None:
        flows = (
            AccountBalance(),
            Invoices(),
            Refunds(records.billing),
            SubscriptionPlans(records.subscriptions),
            Payments(records.billing),
            Disputes(records.billing, records.tickets),
        )
        flows = (*flows, Beyond(CANNOT, flows))
        super().__init__(records, flows, reader or OfflineBillingReader(), claude)

    async def know(self, customer: Customer) -> Account:
        """Return what a customer was billed and has subscribed to."""
        records = self.records
        return Account(
            tuple(await records.billing.invoices(customer.id)),
            tuple(await records.subscriptions.plans()),
            await records.subscriptions.of(customer.id),
            customer.currency,
            records.today(),
        )

    def resolve(self, wish: Wish, text: str, earlier: Sequence[Earlier], known: Account) -> Wish:
        """Return a wish with the charge or the invoice that the ones before it make clear."""
        return resolve(wish, text, earlier, known)

    def lookups(self, customer: Customer, known: Account) -> Sequence[Lookup]:
        """Return what Claude may look up of a customer's account."""
        return lookups(self.records.billing, customer, known)

    def brief(self, known: Account) -> Sequence[str]:
        """Return the lines of a customer's invoices, the newest first, with what names them."""
        return [f"{choice.value}: {choice.label}" for choice in known.charges()]
