"""The Booking Agent: shows trips, changes, cancels and makes bookings, and tells how to check in."""

from __future__ import annotations

from a2a_streaming.customer_service import cards
from a2a_streaming.customer_service.booking.cancel import CancelBooking
from a2a_streaming.customer_service.booking.change import ChangeBooking
from a2a_streaming.customer_service.booking.check_in import CheckIn
from a2a_streaming.customer_service.booking.knowledge import Trips
from a2a_streaming.customer_service.booking.new import NewBooking
from a2a_streaming.customer_service.booking.reading import OfflineBookingReader
from a2a_streaming.customer_service.booking.show import ShowBookings
from a2a_streaming.customer_service.dialogue import Reader, SpecialistAgent
from a2a_streaming.customer_service.records import Customer, Records


class BookingAgent(SpecialistAgent[Trips]):
    """Sees to a customer's trips.

    Args:
        records: The systems of record.
        reader: Reads customers' words; by default by rules.
    """

    card = cards.BOOKING
    looks = "Looking up your bookings"

    def __init__(self, records: Records, reader: Reader[Trips] | None = None) -> None:
        bookings = records.bookings
        flows = (
            ShowBookings(),
            ChangeBooking(bookings),
            CancelBooking(bookings),
            NewBooking(bookings),
            CheckIn(),
        )
        super().__init__(records, flows, reader or OfflineBookingReader())

    async def know(self, customer: Customer) -> Trips:
        """Return what a customer has booked."""
        bookings = await self.records.bookings.of(customer.id)
        cities = await self.records.bookings.cities()
        return Trips(tuple(bookings), tuple(cities), self.records.today())
