"""The agents' cards: what each can do, and what customers say when they want it.

The examples are what routing reads, so they are sentences as customers write them.
"""

from __future__ import annotations

from a2a_streaming import agent_card

INTENT = agent_card(
    "intent",
    description="Understands what a customer wants, and has the right specialist see to it.",
    skills=[
        {
            "id": "customer_service",
            "name": "Customer service",
            "description": "Answers questions about trips, invoices and the account.",
            "tags": ["customer service", "routing"],
            "examples": ["What's my account balance?", "Move my flight to next Tuesday"],
        }
    ],
)

BOOKING = agent_card(
    "booking",
    description="Shows trips and changes their dates.",
    skills=[
        {
            "id": "show_bookings",
            "name": "Show bookings",
            "description": "Lists the customer's flights and hotel stays, or tells about one of them.",
            "tags": ["booking", "itinerary"],
            "examples": [
                "Show me my bookings",
                "Which trips do I have coming up?",
                "What time does my flight leave?",
                "Give me the details of reservation MT4821",
                "Is my hotel stay confirmed?",
            ],
        },
        {
            "id": "change_booking",
            "name": "Change a booking",
            "description": "Moves a flight or a hotel stay to another date, after a quote and a yes.",
            "tags": ["reschedule", "rebook"],
            "examples": [
                "I'd like to fly two days later",
                "Move my flight to 4 March",
                "Can I push my hotel check-in back to Friday?",
                "Reschedule reservation MT4821",
            ],
        },
    ],
)

BILLING = agent_card(
    "billing",
    description="Answers questions about the account: what is owed, and for what.",
    skills=[
        {
            "id": "account_balance",
            "name": "Account balance",
            "description": "Tells how much the customer owes, or has to their credit.",
            "tags": ["balance", "account balance"],
            "examples": [
                "What's my account balance?",
                "How much do I owe you?",
                "Do I still have something to pay?",
            ],
        },
        {
            "id": "invoices",
            "name": "Invoices",
            "description": "Lists invoices, or shows one with its lines.",
            "tags": ["invoice", "bill"],
            "examples": [
                "Show me my invoices",
                "What is invoice INV-20417 for?",
                "When is my last bill due?",
                "Why was I charged a change fee?",
            ],
        },
    ],
)
