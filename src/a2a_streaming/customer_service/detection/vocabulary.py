"""What the offline detector knows of customer service: groups of words, and rules over them.

A rule gives the probability that a message means an intent if it has a word of each of the rule's
groups, and none of the groups that it excludes. Groups are written as words; their forms count too,
and a phrase is written with underscores.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """One reason to read an intent in a message.

    Args:
        intent: What the customer wants.
        route: The specialist whose work it is, `human`, or None.
        p: How probable that is, 0 to 1.
        needs: Groups of which the message has a word each.
        without: Groups of which it has none.
    """

    intent: str
    route: str | None
    p: float
    needs: tuple[str, ...]
    without: tuple[str, ...]


GROUPS: dict[str, str] = {
    # what is booked
    "booking": "bookingref booking reservation itinerary rebooking",
    "travel": "flight hotel room motel suite airfare airline plane plane_ticket trip airbnb lodging "
    "accommodation hotel_room",
    "car": "rental_car car_rental rent_a_car rental_cars hire_a_car hire_car car_hire",
    "vehicle": "car suv van truck vehicle sedan convertible",
    "rent": "rent rental hire",
    "table": "table dinner_reservation restaurant seat_for party_of",
    "order": "order purchase item article product",
    "depart": "depart departure arrive arrival land landing delayed boarding board gate on_time take_off "
    "check_in",
    # what is done to it
    "cancel": "cancel cancellation canceled call_off scrap annul revoke abort drop",
    "change": "change modify edit move reschedule postpone amend swap shift push_back bring_forward "
    "rebook correct update add remove delete take_off_from alter exchange",
    "book": "book reserve",
    "make": "make need want find buy schedule get place plan look set arrange purchase order",
    "ask": "what where when which show see view list status track check confirm detail eta does still "
    "verify double_check sure how follow locate",
    "accept": "accept take allow have possible can",
    # money
    "balance": "balance",
    "bill": "invoiceref bill invoice billing statement",
    "account": "account bank checking savings chequing",
    "due": "due owe overdue outstanding payable",
    "pay": "pay payment paid paying prepay",
    "least": "minimum smallest least lowest minimal",
    "utility": "electric electricity water gas cable utility phone internet rent mortgage credit_card "
    "visa amex mastercard discover",
    "fee": "fee charge charged charging surcharge commission penalty overcharge overcharged extra_cost",
    "refund": "refund refunded money_back reimburse reimbursement rebate compensation restitution "
    "my_money_back chargeback give_back_my_money",
    "fraud": "fraud fraudulent unauthorized unauthorised suspicious scam not_recognize not_recognise "
    "unrecognized unrecognised not_authorize not_authorise did_not_make i_never_made fraudulently "
    "fake_charge",
    "transaction": "transaction recent_purchase last_purchase purchase_history account_activity "
    "direct_debit debited",
    "money": "money fund cash dollar euro how_much",
    "twice": "twice double_charged duplicate two_times multiple_times double",
    "method": "method option mode form modality way type",
    "problem": "problem issue error trouble fail failed failing declined decline wrong incorrect "
    "rejected reverted pending not_go_through not_working disputed dispute unable",
    "card": "card",
    "subscription": "subscription membership plan",
    "receipt": "receipt",
    # people
    "person": "human person representative rep operator someone somebody agent advisor adviser assistant "
    "employee staff colleague people attendant specialist supervisor manager",
    "talk": "speak talk call chat contact reach connect transfer transferred put_me_through get_through "
    "communicate phone write escalate",
    "service": "customer_service customer_support customer_care support_team service_team help_desk "
    "helpdesk client_service support customer_assistance customer_help call_center call_centre "
    "hotline help_center service_desk",
    "desk": "customer_service customer_support customer_care support_team service_team help_desk helpdesk "
    "client_service customer_assistance customer_help call_center call_centre hotline help_center "
    "service_desk customer_assistance_service",
    "human": "human representative rep operator real_person live_agent human_agent an_agent attendant",
    "number": "number telephone email hours hour available availability when_can working contact_detail "
    "free toll",
    "you": "are_you you_are am_i is_this a_bot robot ai chatbot artificial",
    # not ours
    "elsewhere": "recipe weather song music playlist alarm timer joke translate language calorie "
    "nutrition ingredient oil tire tyre mileage mpg insurance taxes tax income w2 w_2 401k 401_k rollover "
    "score limit apr interest vacation pto paid_time_off paycheck payday salary reward point mile exchange "
    "currency pin passcode password visa_requirement luggage suitcase carry_on vaccine plug traffic "
    "directions uber taxi newsletter review complaint feedback meeting calendar reminder remind todo "
    "shopping_list shopping whisper speed volume spell define definition synonym convert deposit routing "
    "gift_card top_up topping top_ups transfer transferred atm withdrawal identity verify_my "
    "beneficiary withdrawal withdraw withdrew deposited bread grocery appointment cheque maintenance delivery address shipping ship register registration sign_up profile "
    "personal_information new_account create_account delete_account suggest suggestion recommend "
    "recommended credit jump_start battery smart_home light cook food meal travel_alert safe days_off "
    "day_off leave_request apply application",
}


def _rules(route: str | None, table: str) -> list[Rule]:
    """Read rules, one a line: intent, probability, groups; excluded groups after a dash."""
    rules: list[Rule] = []
    for line in table.strip().splitlines():
        intent, p, *groups = line.split()
        needs = tuple(group for group in groups if not group.startswith("-"))
        without = tuple(group.removeprefix("-") for group in groups if group.startswith("-"))
        rules.append(Rule(intent, route, float(p), needs, without))
    return rules


RULES: tuple[Rule, ...] = (
    *_rules(
        "booking",
        """
        cancel_booking  .92 cancel booking    -fee -refund
        cancel_booking  .92 cancel travel     -fee -refund
        cancel_booking  .9  cancel order      -fee -refund -card -subscription
        cancel_booking  .9  cancel table      -fee -refund
        cancel_booking  .9  cancel car        -fee -refund
        change_booking  .92 change booking    -refund
        change_booking  .9  change travel     -refund
        change_booking  .85 change order      -card -elsewhere
        create_booking  .9  book travel
        create_booking  .9  book table
        create_booking  .9  book car
        create_booking  .85 book vehicle
        create_booking  .75 make travel       -elsewhere
        create_booking  .85 rent vehicle
        create_booking  .85 car
        create_booking  .85 make order        -card -elsewhere -bill -refund
        create_booking  .8  make booking
        create_booking  .8  make table        -elsewhere
        show_bookings   .85 ask booking
        show_bookings   .8  accept booking
        show_bookings   .85 ask travel        depart
        show_bookings   .6  ask travel        -elsewhere
        show_bookings   .8  ask order         -card -elsewhere -bill -refund -fee -depart
        show_bookings   .65 booking
        show_bookings   .55 travel            -elsewhere
        show_bookings   .4  order             -card -elsewhere -bill -refund -depart
        """,
    ),
    *_rules(
        "billing",
        """
        account_balance .9  balance account   -elsewhere
        account_balance .75 balance           -elsewhere
        account_balance .8  money account     -elsewhere
        invoices        .9  bill
        invoices        .75 receipt           -elsewhere
        amount_due      .8  due money         -elsewhere
        amount_due      .85 due bill
        amount_due      .8  due pay
        pay_bill        .85 pay bill
        pay_bill        .8  pay utility       -elsewhere
        pay_bill        .85 pay least
        pay_bill        .75 least due
        payment_methods .85 pay method
        payment_issue   .85 pay problem       -elsewhere
        payment_issue   .6  pay               -elsewhere -card
        fees            .85 fee               -elsewhere
        fees            .6  fee
        refund_request  .93 refund
        dispute_charge  .9  fee fraud
        report_fraud    .8  fraud             -elsewhere
        dispute_charge  .88 fee twice
        dispute_charge  .85 fee problem
        dispute_charge  .8  pay twice
        transactions    .8  transaction       -elsewhere -problem -fee
        """,
    ),
    *_rules(
        "human",
        """
        speak_to_human  .93 talk person       -you
        speak_to_human  .9  talk service
        speak_to_human  .85 desk
        speak_to_human  .9  service number
        speak_to_human  .75 human             -you -elsewhere -booking -travel -table
        """,
    ),
)

SMALLTALK_WORDS: dict[str, str] = {
    "greeting": "hi hello hey howdy greetings good_morning good_afternoon good_evening good_day hiya "
    "yo hallo what_is_up how_are_you how_is_it_going nice_to_meet_you",
    "thanks": "thanks thank_you thank_you_so_much thx cheers much_appreciated appreciate_it ty "
    "appreciate",
    "goodbye": "bye goodbye bye_bye see_you see_you_later good_night farewell have_a_nice_day talk_later "
    "talk_to_you_later",
    "help": "help what_can_you_do what_do_you_do how_can_you_help what_can_you_help_me_with "
    "what_can_i_ask what_are_my_options",
    "about_me": "are_you_a_bot are_you_a_robot are_you_human are_you_a_human are_you_real "
    "are_you_a_real_person who_are_you what_is_your_name are_you_an_ai am_i_talking_to_a_bot "
    "am_i_talking_to_a_robot am_i_talking_to_a_human are_you_a_computer",
}
"""Phrases that make small talk, if little else is said."""

_FILLERS = (
    "there very so much for your the a all you everyone everybody to my again today lot many help of "
    "me really that is was it great ok okay and well then now friend please team dear sir madam "
    "helping support kind day good nice and i with can"
)
FILLERS = frozenset(_FILLERS.split())
"""Words that may stand beside small talk without making a request of it."""
