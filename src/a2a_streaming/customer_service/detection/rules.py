"""What concepts that come together mean: the offline detector's rules, one a line.

A rule gives the probability that a message means an intent if it has a word of each of the rule's
concepts, and none of those that it excludes (after a dash). The probability is how firmly the concepts
together say it, as its writer judges: .9 where nothing else comes to mind, .6 where it is a guess.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """One reason to read an intent in a message.

    Args:
        intent: What the customer wants.
        route: The specialist whose work it is, or `human`.
        p: How probable that is, 0 to 1.
        needs: Concepts of which the message has a word each.
        without: Concepts of which it has none.
    """

    intent: str
    route: str
    p: float
    needs: frozenset[str]
    without: frozenset[str]


def _rules(route: str, table: str) -> list[Rule]:
    rules: list[Rule] = []
    for line in table.strip().splitlines():
        intent, p, *concepts = line.split()
        needs = frozenset(name for name in concepts if not name.startswith("-"))
        without = frozenset(name[1:] for name in concepts if name.startswith("-"))
        rules.append(Rule(intent, route, float(p), needs, without))
    return rules


_BOOKING = """
    cancel_booking   .92  cancel booking         -fee -refund -bill -subscription -cost
    cancel_booking   .9   cancel flight          -fee -refund -cost
    cancel_booking   .9   cancel stay            -fee -refund -cost
    cancel_booking   .9   cancel rental          -fee -refund -cost
    cancel_booking   .85  cancel trip            -fee -refund -elsewhere -cost
    cancel_booking   .9   cancel table           -fee -refund
    cancel_booking   .85  cancel order           -fee -refund -card -subscription -elsewhere -pay -bank -charge -cost
    change_booking   .92  change booking         -refund -bill -fee
    change_booking   .9   change flight          -refund -elsewhere -fee -general
    change_booking   .85  change fly mine        -refund -elsewhere -fee -general
    change_booking   .85  change stay            -refund -elsewhere -fee
    change_booking   .85  change rental          -refund -fee
    change_booking   .75  change trip            -refund -elsewhere -fee -general
    change_booking   .85  change order           -refund -bill -card -elsewhere -pay -fee -bank -charge -general
    new_booking      .92  book flight            -reading
    new_booking      .92  book stay              -reading -elsewhere
    new_booking      .9   book rental            -reading
    new_booking      .85  book vehicle           -reading -elsewhere
    new_booking      .9   book table             -reading
    new_booking      .85  book eatery            -reading -elsewhere
    new_booking      .8   book trip              -elsewhere -reading
    new_booking      .85  rent vehicle
    new_booking      .85  rental                 -elsewhere -general
    new_booking      .8   car_need               -elsewhere -general
    new_booking      .75  make flight            -elsewhere -general
    new_booking      .7   make stay              -elsewhere -general
    new_booking      .7   accept stay            -elsewhere -general
    new_booking      .85  make booking           -elsewhere
    new_booking      .7   make trip              -elsewhere -general
    new_booking      .7   make table             -elsewhere -general
    new_booking      .75  make order frame       -order_paper -card -elsewhere -bill -refund -pay -fee -bank -trouble -charge -general -account
    show_bookings    .85  look booking
    show_bookings    .8   accept booking
    show_bookings    .8   booking eatery
    show_bookings    .85  status flight          -elsewhere -general
    show_bookings    .6   look flight mine       -elsewhere -general
    new_booking      .7   look way               -elsewhere -general
    new_booking      .7   make way               -elsewhere
    show_bookings    .7   reserved trip          -elsewhere
    show_bookings    .7   reserved table         -elsewhere
    show_bookings    .7   reserved stay          -elsewhere
    show_bookings    .6   reserved mine          -elsewhere -bank -pay -reading
    check_in         .8   check_in               -elsewhere
    show_bookings    .75  look order frame       -order_paper -card -elsewhere -bill -refund -fee -pay -bank -charge -general -account -unknown
    show_bookings    .65  booking                -elsewhere -general
    change_booking   .4   change pronoun         -elsewhere -general
    cancel_booking   .4   cancel pronoun         -elsewhere -general
    show_bookings    .4   flight                 -elsewhere -general
    show_bookings    .4   stay                   -elsewhere -general
    show_bookings    .4   order                  -elsewhere -general
"""

_BILLING = """
    account_balance  .9   balance account        -elsewhere
    account_balance  .75  balance frame          -elsewhere -general
    account_balance  .75  money account          -elsewhere -general -bank
    invoices         .9   bill pay
    invoices         .9   bill mine              -elsewhere
    invoices         .8   bill look              -elsewhere -general
    invoices         .7   bill frame             -elsewhere -general
    invoices         .4   bill                   -elsewhere -general
    payments         .4   pay                    -elsewhere -general
    fees             .4   fee                    -elsewhere -general
    invoices         .75  receipt                -elsewhere -general
    account_balance  .8   owe money              -elsewhere -general
    account_balance  .9   owe bill               -general
    account_balance  .85  owe pay                -elsewhere -general
    pay_bill         .9   pay bill               -general
    pay_bill         .8   pay utility            -elsewhere -general
    pay_bill         .85  pay least              -elsewhere
    pay_bill         .75  least owe
    payment_methods  .85  pay method             -elsewhere -general
    payment_methods  .8   accept method          -elsewhere -general -bank -card
    payments         .85  pay trouble            -elsewhere -general
    payments         .8   card_payment           -elsewhere -general
    payments         .6   pay mine               -elsewhere -general -bank
    payments         .7   order card trouble     -elsewhere -general
    fees             .85  fee extra              -elsewhere
    fees             .8   fee frame              -elsewhere -general
    fees             .75  fee look               -elsewhere -general
    fees             .8   fee cancel             -elsewhere -general
    fees             .75  fee bank               -elsewhere
    fees             .75  cost cancel
    fees             .8   cost contract
    fees             .8   charge extra           -powering -elsewhere
    fees             .75  charge mine            -powering -elsewhere
    fees             .75  charge bank            -powering -elsewhere
    refund_request   .93  refund frame           -tax -insurer
    refund_request   .75  refund                 -tax -elsewhere
    refund_request   .8   refund method          -tax -insurer
    report_fraud     .85  fraud card             -general -elsewhere
    report_fraud     .85  fraud account          -elsewhere
    report_fraud     .85  fraud transaction      -general -elsewhere
    report_fraud     .85  fraud pay              -elsewhere -general
    report_fraud     .75  fraud frame            -elsewhere -general
    report_fraud     .75  unknown card           -elsewhere -bank
    disputes         .9   charge fraud
    disputes         .9   charge unknown         -powering
    disputes         .9   pay unknown
    disputes         .85  direct_debit
    disputes         .8   transaction unknown
    disputes         .88  charge twice
    disputes         .85  charge trouble         -powering -elsewhere
    disputes         .85  pay twice
    disputes         .75  order unknown          -elsewhere
    disputes         .75  pay too_much           -elsewhere
    disputes         .7   money too_much         -elsewhere -general
    account_balance  .7   money account trouble  -elsewhere
    transactions     .8   transaction            -elsewhere -general
    transactions     .7   spend card             -elsewhere -general
    transactions     .7   spend account          -elsewhere -general
    subscriptions    .8   subscription           -elsewhere
    subscriptions    .75  plan change            -elsewhere
"""

_HUMAN = """
    speak_to_human   .95  talk person mine       -general -elsewhere
    speak_to_human   .9   talk service           -elsewhere
    speak_to_human   .85  service                -general -elsewhere
    speak_to_human   .9   service reachable
    speak_to_human   .9   talk human             -general
    speak_to_human   .85  make human             -elsewhere -general
    speak_to_human   .6   human frame            -you -elsewhere -general
    speak_to_human   .85  touch                  -elsewhere -general
    speak_to_human   .85  yours                  -elsewhere -general
    speak_to_human   .8   talk person            -elsewhere -general -you
"""

RULES: tuple[Rule, ...] = (
    *_rules("booking", _BOOKING),
    *_rules("billing", _BILLING),
    *_rules("human", _HUMAN),
)
