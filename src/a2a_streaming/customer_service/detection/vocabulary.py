"""What the offline detector knows of customer service: words by what they mean.

A concept is a group of words that say the same to a rule. Words are written as they are looked up, their
forms count too; a phrase is written with underscores, and `#` stands for any number. All of it was
written from the agents' cards and from what people ask companies and assistants for, without looking at
any set of labelled messages: `docs/intents.md` says how, and why that matters.
"""

from __future__ import annotations

CONCEPTS: dict[str, str] = {
    # how it is said
    "mine": "i my me mine we our us #",
    "frame": "i my me mine we our us # you your please",
    "pronoun": "it this that one them these those",
    "general": (
        "who how_many how_far how_tall how_big how_old how_do_a do_people what_cause best long longest "
        "large largest big biggest fast fastest high highest safe history invent first what_do_a "
        "what_do_an world famous average government country become meaning world law should_i "
        "how_do_i_become work_at degree pay_attention"
    ),
    "you": "are_you you_are am_i bot robot ai chatbot artificial",
    # what is booked
    "flight": (
        "flight plane airplane plane_ticket air_ticket flight_ticket airline_ticket airfare fly_to "
        "fly_from layover boarding_pass seat_on"
    ),
    "way": "flight_to flight_from flight_for flight_out flight_leave cheap_flight return_flight return_ticket return_trip return_journey",
    "fly": "fly",
    "stay": (
        "hotel motel hostel inn resort room suite accommodation lodging airbnb guesthouse "
        "bed_and_breakfast my_stay a_stay place_to_stay somewhere_to_stay"
    ),
    "rental": "rental_car car_rental hire_car car_hire rent_a_car rental_vehicle a_rental my_rental",
    "vehicle": "car suv van minivan truck convertible sedan vehicle motorcycle scooter",
    "car_need": "need_a_car get_a_car want_a_car hire_a_car",
    "table": "table dinner_reservation table_for party_of",
    "eatery": "restaurant steakhouse pizzeria bistro diner cafe grill dinner lunch brunch place",
    "booking": "booking reservation itinerary bookingref rebooking",
    "trip": "trip journey cruise train_ticket bus_ticket ticket seat tour",
    "order": (
        "my_order an_order the_order this_order that_order last_order order_# order_number order_id "
        "your_order recent_order new_order order_i purchase item product article"
    ),
    "order_paper": "purchase_order order_of",
    "extras": "baggage bag legroom wifi",
    # what is done to it
    "cancel": "cancel cancellation call_off scrap annul revoke abort drop get_rid_of",
    "change": (
        "change modify edit move reschedule postpone amend swap shift push_back push bring_forward "
        "rebook correct update adjust alter extend switch add remove delete replace exchange upgrade "
        "later earlier"
    ),
    "book": "book reserve",
    "reading": (
        "read_me read_book read_a_book the_book a_book this_book good_book book_about book_by "
        "which_book last_book novel"
    ),
    "rent": "rent rental hire lease",
    "make": "make get buy find place need want arrange set_up schedule purchase like acquire",
    "status": (
        "status on_time delay land arrive arrival depart departure board gate take_off leave due_in "
        "eta"
    ),
    "look": (
        "look show see view check track find list where when what which confirm verify detail "
        "information info locate follow tell status trace arrive still"
    ),
    "accept": "accept take allow possible can vacancy room_free free_room",
    "reserved": (
        "confirmed coming_up upcoming do_i_have_book you_have_book have_i_book i_have_book is_book"
    ),
    "check_in": "check_me_in check_in_for check_in_online online_check_in",
    # money
    "balance": "balance",
    "bill": "bill invoice invoiceref billing statement",
    "receipt": "receipt",
    "account": "account checking savings bank_account bank debit",
    "owe": "owe due overdue outstanding payable",
    "pay": "pay payment prepay pay_off",
    "least": "minimum smallest least lowest minimal",
    "utility": (
        "electric electricity water gas cable utility phone internet rent credit_card my_mortgage visa "
        "amex mastercard discover"
    ),
    "fee": "fee surcharge commission penalty overcharge overcharged fine",
    "charge": "charge",
    "powering": (
        "charge_my charge_up charge_the in_charge battery charger to_charge electron phone_charge "
        "free_of_charge"
    ),
    "cost": "cost price",
    "extra": "extra additional unexpected hidden why wrong incorrect",
    "refund": (
        "refund money_back reimburse reimbursement rebate compensation chargeback give_me_back "
        "return_my_money my_money_back give_back_my_money get_back_my_money"
    ),
    "insurer": "insurance insurer",
    "tax": "tax taxes irs",
    "fraud": (
        "fraud fraudulent unauthorized unauthorised suspicious scam identity_theft defraud "
        "fraudulently"
    ),
    "unknown": (
        "not_recognize not_recognise unrecognized unrecognised not_authorize not_authorise never_make "
        "not_mine not_my unfamiliar strange not_know not_do not_make not_from_me not_by_me without_ask "
        "without_my nor_make not_be_mine someone_use somebody_use not_buy never_buy"
    ),
    "transaction": (
        "transaction recent_purchase last_purchase purchase_history account_activity recent_charge "
        "last_charge"
    ),
    "direct_debit": "direct_debit",
    "spend": "spend i_buy",
    "money": "money fund cash dollar euro pound how_much amount",
    "too_much": "too_much too_high overpaid take_from_me",
    "twice": "twice double duplicate two_times multiple_time",
    "method": (
        "method option mode form way type paypal by_card pay_by pay_with pay_via pay_use accept visa "
        "mastercard cash"
    ),
    "trouble": (
        "problem issue error trouble fail decline wrong incorrect reject revert reverse pending "
        "not_go_through not_work dispute unable stuck miss not_show not_update not_change "
        "not_up_to_date not_appear block deny refuse cancel bounce still"
    ),
    "card": "card",
    "card_payment": (
        "card_payment payment_with_card pay_with_card pay_by_card payment_with_my_card "
        "pay_with_my_card"
    ),
    "subscription": "subscription",
    "plan": "my_plan",
    "contract": "contract early_exit early_termination terminate withdraw_from",
    # people
    "person": (
        "human person representative rep operator someone somebody agent advisor adviser assistant "
        "employee staff colleague people attendant specialist supervisor manager anyone anybody "
        "human_being"
    ),
    "human": (
        "human representative rep operator real_person live_agent live_person human_agent "
        "customer_agent service_agent supervisor a_person an_agent a_manager the_manager your_manager"
    ),
    "talk": (
        "speak talk call chat contact reach connect transfer put_me_through put_through get_through "
        "communicate phone write discuss get_in_touch get_hold_of hear_from"
    ),
    "touch": (
        "get_in_touch get_hold_of contact_you reach_you call_you phone_you email_you write_to_you "
        "write_you contact_detail contact_information talk_to_you speak_with_you speak_to_you"
    ),
    "service": (
        "customer_service customer_support customer_care support_team service_team help_desk helpdesk "
        "client_service your_support customer_assistance customer_help call_center call_centre hotline "
        "help_center help_centre service_desk client_support client_care"
    ),
    "reachable": "number telephone phone_number email hour opening_hour available availability open",
    "yours": "your_number your_phone_number your_email your_telephone your_hours your_phone",
    # what others see to
    "bank": (
        "top_up topping_up topped_up atm cash_withdrawal withdraw withdrawal cash_machine cheque "
        "exchange exchange_rate transfer deposit beneficiary recipient pin passcode new_card "
        "replacement_card physical_card virtual_card disposable_card card_arrive card_delivery "
        "activate expire expiry verify identity lose_card lose_my_card currency limit"
    ),
    # what customers and others also talk about, and none of ours sees to; what a card names is taken out
    "elsewhere": (
        "weather rain sunny temperature forecast snow wind humidity storm umbrella "
        "song music playlist album artist movie film radio podcast game volume speaker tv sing sings "
        "concert lottery speeding_ticket parking_ticket "
        "recipe ingredient cook bake calorie nutrition food meal dish sugar oven healthy substitute "
        "vegan protein taste eat drink diet pizza "
        "alarm timer reminder remind light lamp thermostat smart_home turn_on turn_off my_list "
        "shopping_list todo grocery paper_towel calendar meeting appointment event milk "
        "translate translation language spell define synonym pronounce accent slower faster "
        "joke riddle story poem coin dice hobby pet favorite favourite "
        "calculate divide multiply square_root convert percent inch kilometer mile gallon planet "
        "alphabetical operation "
        "traffic direction uber taxi lyft distance highway map parking museum "
        "mortgage walmart target apple store cart senate tip split magazine conference coffee kitchen "
        "library landlord power yoga friend my_manager haircut dentist massage space yoga court couch "
        "shoe photo "
        "oil tire tyre mileage engine fuel mechanic maintenance brake wash worth "
        "vacation_day vacation_balance my_vacation day_off salary paycheck payday income raise holiday "
        "insurance boss job employer wage pension retirement get_pay nurse tax at_work my_work pain "
        "interest_rate interest credit_score credit_limit credit_rating loan stock invest bitcoin "
        "crypto mortgage_rate point reward score apply application sheet debt life "
        "password log_in login sign_in sign_up register registration profile username personal_detail "
        "personal_information address newsletter "
        "delivery deliver ship shipping shipment parcel package mail courier "
        "review feedback complaint complain rating recommend recommendation suggest suggestion opinion "
        "passport vaccine luggage suitcase carry_on liquid plug adapter timezone time_zone tourist "
        "attraction visa_for "
        "president capital war science animal doctor medicine disease school college university "
        "football soccer baseball team player election news god rights body congress secret estate "
        "facebook instagram twitter netflix spotify hulu amazon gym house living_room my_room family "
        "culture climate channel "
        "make_money protect living paint clean manage sell court train_a"
    ),
}

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
