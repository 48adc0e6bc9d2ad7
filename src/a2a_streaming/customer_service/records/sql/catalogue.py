"""What the demo company sells: flights, hotels and subscriptions. All made up."""

from __future__ import annotations

from typing import Any

_ROUTES = (
    ("Berlin", "Lisbon", 18900, "09:40"),
    ("Berlin", "Oslo", 12450, "17:15"),
    ("Berlin", "Vienna", 9900, "07:05"),
    ("Berlin", "Rome", 14200, "12:30"),
    ("Berlin", "Paris", 11800, "08:20"),
    ("Copenhagen", "Athens", 23100, "11:20"),
    ("Copenhagen", "Rome", 17400, "13:45"),
    ("Copenhagen", "Lisbon", 19800, "15:05"),
    ("London", "Nairobi", 61800, "20:30"),
    ("London", "Lisbon", 13900, "06:50"),
    ("London", "Athens", 21200, "10:10"),
    ("Munich", "Mumbai", 57300, "14:50"),
    ("Munich", "Oslo", 15900, "09:55"),
    ("Munich", "Athens", 17600, "16:40"),
    ("Amsterdam", "Vienna", 12900, "18:05"),
    ("Amsterdam", "Barcelona", 13600, "07:35"),
    ("Paris", "Barcelona", 10700, "19:25"),
    ("Paris", "Copenhagen", 14300, "11:50"),
)
"""Where from, where to, the ordinary price, and when it departs; each way, and once more in the evening."""

_HOTELS = (
    ("Lisbon", "Hotel Miradouro", 12900, "double room, breakfast"),
    ("Lisbon", "Pensão Alfama", 7400, "single room"),
    ("Athens", "Plaka Rooms", 7200, "single room"),
    ("Athens", "Hotel Lykavittos", 11800, "double room, breakfast"),
    ("Amsterdam", "Canal House", 14200, "double room"),
    ("Rome", "Albergo Trastevere", 10900, "double room, breakfast"),
    ("Rome", "Casa Monti", 8600, "single room"),
    ("Vienna", "Hotel Josefstadt", 11200, "double room, breakfast"),
    ("Oslo", "Fjordgata Hotel", 15600, "double room, breakfast"),
    ("Paris", "Hôtel du Canal", 13800, "double room"),
    ("Barcelona", "Hostal Gràcia", 9400, "double room"),
    ("Copenhagen", "Hotel Nyhavn", 16900, "double room, breakfast"),
    ("London", "Bloomsbury House", 17500, "double room"),
    ("Berlin", "Hotel Spreebogen", 10400, "double room, breakfast"),
    ("Munich", "Pension Isar", 9800, "single room"),
    ("Nairobi", "Karura Lodge", 13300, "double room, breakfast"),
    ("Mumbai", "Marine Drive Hotel", 9100, "double room, breakfast"),
)

PLANS: tuple[dict[str, Any], ...] = (
    {
        "id": "basic",
        "name": "Meridian Basic",
        "price_cents": 490,
        "benefits": "Seat choice without a charge.",
    },
    {
        "id": "plus",
        "name": "Meridian Plus",
        "price_cents": 990,
        "benefits": "Seat choice and a checked bag without a charge.",
    },
    {
        "id": "premium",
        "name": "Meridian Premium",
        "price_cents": 1990,
        "benefits": "Seat choice, two checked bags and changes of date without a charge, and lounges.",
    },
)

CHANGE_FEES: dict[tuple[str, str], int | None] = {
    ("flight", "saver"): None,
    ("flight", "standard"): 3500,
    ("flight", "flex"): 0,
    ("hotel", "saver"): None,
    ("hotel", "standard"): 2000,
    ("hotel", "flex"): 0,
}
"""What a change costs, by kind and fare."""

_FARES = (("saver", 82, "S"), ("standard", 100, "N"), ("flex", 135, "F"))
"""The fares, their prices in percent of the ordinary one, and how codes call them."""


def services() -> list[dict[str, Any]]:
    """Return what is for sale every day, as rows of `services`."""
    found: list[dict[str, Any]] = []
    number = 200
    for origin, city, price, time in _ROUTES:
        for begin, end in ((origin, city), (city, origin)):
            number += 1
            found += [
                _service(
                    f"MD{number}{letter}",
                    "flight",
                    begin,
                    end,
                    f"{begin} to {end}",
                    f"MD {number}, departs {time}",
                    price * percent // 100,
                    fare,
                )
                for fare, percent, letter in _FARES
            ]
    for place, (city, name, price, room) in enumerate(_HOTELS, 1):
        found += [
            _service(
                f"H{place:02d}{letter}",
                "hotel",
                "",
                city,
                f"{name}, {city}",
                room,
                price * percent // 100,
                fare,
            )
            for fare, percent, letter in _FARES[::2]
        ]
    return found


def _service(
    code: str,
    kind: str,
    origin: str,
    city: str,
    title: str,
    details: str,
    price: int,
    fare: str,
) -> dict[str, Any]:
    return {
        "code": code,
        "kind": kind,
        "origin": origin,
        "city": city,
        "title": title,
        "details": details,
        "price_cents": price // 10 * 10,
        "change_fee_cents": CHANGE_FEES[kind, fare],
        "fare": fare,
    }
