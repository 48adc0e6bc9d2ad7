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
    description="Shows trips, changes and cancels them, makes new ones, and tells how to check in.",
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
        {
            "id": "cancel_booking",
            "name": "Cancel a booking",
            "description": "Cancels a flight or a hotel stay, and pays back what its fare allows.",
            "tags": ["cancel trip"],
            "examples": [
                "Please cancel my flight to Lisbon, I have fallen ill",
                "We can't travel, please call off the hotel in Athens",
                "What do I get back if I cancel MT4821?",
                "I have to cancel Tuesday's trip",
            ],
        },
        {
            "id": "new_booking",
            "name": "Make a booking",
            "description": "Finds flights and hotels on a day, and books the one that the customer chooses.",
            "tags": ["new booking", "book a flight", "book a hotel"],
            "examples": [
                "Book me a flight from Berlin to Rome on 12 May",
                "I need a hotel in Vienna for three nights",
                "Which flights do you have to Lisbon next Friday?",
                "Reserve a room in Oslo for the weekend",
            ],
        },
        {
            "id": "check_in",
            "name": "Check-in",
            "description": "Tells when check-in opens and closes, and what to bring.",
            "tags": ["check-in", "boarding pass"],
            "examples": [
                "When can I check in for my flight?",
                "How do I get my boarding pass?",
                "From what time can we check in at the hotel?",
            ],
        },
    ],
)

BILLING = agent_card(
    "billing",
    description="Sees to money: balance, invoices, refunds, subscriptions, failed payments and disputes.",
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
            "description": "Lists invoices, or shows one with its lines and as a PDF.",
            "tags": ["invoice", "bill"],
            "examples": [
                "Show me my invoices",
                "What is invoice INV-20417 for?",
                "When is my last bill due?",
                "Why was I charged a change fee?",
                "Send me the PDF of my latest invoice",
            ],
        },
        {
            "id": "refund_request",
            "name": "Refunds",
            "description": "Checks whether a charge can be refunded, and pays it back after a yes.",
            "tags": ["refund", "money back"],
            "examples": [
                "Refund my baggage fee",
                "I'd like my money back for the seat",
                "I paid too much for INV-20449",
                "Where is my refund?",
            ],
        },
        {
            "id": "subscriptions",
            "name": "Subscription",
            "description": "Shows the customer's subscription, and up- or downgrades or ends it.",
            "tags": ["subscription", "membership", "plan"],
            "examples": [
                "What does my subscription include?",
                "Upgrade me to Meridian Premium",
                "I want a cheaper plan",
                "Cancel my membership",
            ],
        },
        {
            "id": "payments",
            "name": "Failed payments",
            "description": "Tells why a payment failed, and tries it again after a yes.",
            "tags": ["payment failed", "card declined"],
            "examples": [
                "Why did my payment fail?",
                "My card was declined",
                "Please try the payment for my hotel again",
            ],
        },
        {
            "id": "disputes",
            "name": "Disputes",
            "description": "Takes up a charge that the customer doesn't accept, and hands it to a person.",
            "tags": ["dispute", "wrong charge"],
            "examples": [
                "I want to dispute a charge",
                "I was charged twice for the same flight",
                "I don't recognise this item on my invoice",
                "This amount is wrong, I never chose a seat",
            ],
        },
    ],
)
