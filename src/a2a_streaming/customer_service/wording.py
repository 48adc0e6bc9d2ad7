"""What the Intent Agent says in its own name."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_streaming.customer_service import company
from a2a_streaming.customer_service.detection import Specialist

PERSON = (
    "I can't put you through to a colleague from here yet. "
    f"To reach a person, please {company.CONTACT}."
)
NOBODY = "Our specialists can't be reached right now, so I can't help you with this."
TRY_AGAIN = f"Please try again in a minute, or {company.CONTACT}."
STILL_UNSURE = "I still don't understand what you need, and don't want to guess."
PART = "Part of our service can't be reached right now; if it is about that, please try again in a minute."
MORE = "We need an answer from you to go on."
DONE = "That's done."


OVERDUE = "I'm sorry that you have to wait this long. I've let our team know; you keep your place in the queue."
TAKEN = "A colleague takes over from here, and answers you in a moment."
KEPT = "I've put this with your request, for the colleague who takes over."


def handed_over(ahead: int) -> str:
    """Return what to say when a person is to take over.

    Args:
        ahead: How many wait before this customer.
    """
    queue = {0: "You're next", 1: "One customer is before you"}.get(
        ahead, f"{ahead} customers are before you"
    )
    return (
        f"I've asked a colleague to take over; they answer you here. {queue}. "
        "Whatever you add meanwhile, they will see."
    )


def joined_by(name: str) -> str:
    """Return what to say when a person has taken over."""
    return f"{name} has joined and reads what you've written."


def taken_over(name: str, before: str) -> str:
    """Return what to say when a person has taken over unasked, or from a colleague.

    Args:
        name: Who.
        before: Who had it before; empty if nobody did.
    """
    if not before or before == name:
        return f"{name} has taken over and reads what you've written."
    return f"{name} has taken over from {before} and reads what you've written."


def assigned(name: str) -> str:
    """Return what to say when a request is given to another person."""
    return f"{name} sees to your request from here on."


def rerouted(name: str, agent: str) -> str:
    """Return what to say when a person has a specialist see to a request."""
    return f"{name} has passed your request to our {agent} specialist."


def released(name: str) -> str:
    """Return what to say when a person has put a request back into the queue."""
    return f"{name} had to leave; another colleague will take over."


def handed_back(name: str) -> str:
    """Return what to say when a person hands the conversation back."""
    return f"{name} has handed you back to me. What else can I do for you?"


def resolved(name: str) -> str:
    """Return what to say when a person has finished a request."""
    return f"{name} has finished this. If anything is left, just write again."


def begun(agent: str) -> str:
    """Return what to say when a specialist has taken a request."""
    return f"Our {agent} specialist is on it"


def joined(agent: str) -> str:
    """Return what to say to a request that a specialist works on already."""
    return f"You've asked for this already, and our {agent} specialist is still on it; here is how it goes on"


def slow(agent: str) -> str:
    """Return what to say when a specialist takes too long."""
    return f"Our {agent} specialist takes longer than you should have to wait."


def unreachable(agent: str) -> str:
    """Return what to say when a specialist can't be reached."""
    return f"I couldn't get through to our {agent} specialist, so this isn't finished."


def failed(agent: str) -> str:
    """Return what to say when a specialist failed without a word."""
    return f"Our {agent} specialist couldn't finish this."


def stopped(agent: str) -> str:
    """Return what to say when a specialist's work was stopped by somebody else."""
    return (
        f"Our {agent} specialist's work on this was stopped. Please ask again if you still need it."
    )


def small_talk(intent: str, known: Sequence[Specialist]) -> str:
    """Return the answer to small talk.

    Args:
        intent: What kind of small talk.
        known: The specialists that there are.
    """
    match intent:
        case "thanks":
            return "You're welcome!"
        case "goodbye":
            return "Goodbye, and thank you for getting in touch."
        case "about_me":
            return f"I'm the automatic assistant of {company.NAME}. {_can_do(known)}"
        case "help":
            return _can_do(known)
        case _:
            return f"Hello! {_can_do(known)} What can I do for you?"


def which(known: Sequence[Specialist]) -> str:
    """Return the question what a customer means.

    Args:
        known: The specialists that there are.
    """
    choices = "\n".join(f"- {specialist.name}: {specialist.description}" for specialist in known)
    return f"I'm not sure I understood you. What is it about?\n{choices}\n- a person who helps you"


def out_of_scope(known: Sequence[Specialist]) -> str:
    """Return what to say to a request that is none of ours.

    Args:
        known: The specialists that there are.
    """
    return f"I'm sorry, I can't help with that. {_can_do(known)}"


def _can_do(known: Sequence[Specialist]) -> str:
    skills = [skill.name.lower() for specialist in known for skill in specialist.skills]
    if not skills:
        return f"If you need help, please {company.CONTACT}."
    return f"I can help you with these things: {', '.join(skills)}."
