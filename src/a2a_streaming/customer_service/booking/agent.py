"""The Booking Agent: shows trips, changes, cancels and makes bookings, and tells how to check in."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_streaming.customer_service import cards
from a2a_streaming.customer_service.booking.cancel import CancelBooking
from a2a_streaming.customer_service.booking.change import ChangeBooking
from a2a_streaming.customer_service.booking.check_in import CheckIn
from a2a_streaming.customer_service.booking.earlier import resolve
from a2a_streaming.customer_service.booking.knowledge import Trips, line
from a2a_streaming.customer_service.booking.limits import CANNOT
from a2a_streaming.customer_service.booking.lookups import lookups
from a2a_streaming.customer_service.booking.new import NewBooking
from a2a_streaming.customer_service.booking.reading import OfflineBookingReader
from a2a_streaming.customer_service.booking.show import ShowBookings
from a2a_streaming.customer_service.claude import Claude
from a2a_streaming.customer_service.claude.reading import Lookup
from a2a_streaming.customer_service.dialogue import Beyond, Earlier, Reader, SpecialistAgent, Wish
from a2a_streaming.customer_service.records import Customer, Records


class BookingAgent(SpecialistAgent[Trips]):
    """Sees to a customer's trips.

    Args:
        records: The systems of record.
        reader: Reads customers' words, where Claude doesn't; by default by rules.
        claude: Reads them, and words the answers; None to do both by rules.
    """

    card = cards.BOOKING
    looks = "Looking up your bookings"

    def __init__(
        self,
        records: Records,
        reader: Reader[Trips] | None = None,
        claude: Claude | None = None,
    ) -> None:
        bookings = records.bookings
        flows = (
            ShowBookings(),
            ChangeBooking(bookings),
            CancelBooking(bookings),
            NewBooking(bookings),
            CheckIn(),
        )
        flows = (*flows, Beyond(CANNOT, flows))
        super().__init__(records, flows, reader or OfflineBookingReader(), claude)

    async def know(self, customer: Customer) -> Trips:
        """Return what a customer has booked."""
        bookings = await self.records.bookings.of(customer.id)
        cities = await self.records.bookings.cities()
        return Trips(tuple(bookings), tuple(cities), self.records.today())

    def resolve(self, wish: Wish, text: str, earlier: Sequence[Earlier], known: Trips) -> Wish:
        """Return a wish with the booking that the ones before it were about, if that may be meant."""
        return resolve(wish, text, earlier, known)

    def lookups(self, customer: Customer, known: Trips) -> Sequence[Lookup]:
        """Return what Claude may look up of a customer's trips."""
        return lookups(self.records.bookings, customer, known)

    def brief(self, known: Trips) -> Sequence[str]:
        """Return a customer's trips in a line each, those ahead first."""
        ahead = known.ahead
        return [line(one) for one in (*ahead, *(b for b in known.bookings if b not in ahead))]
