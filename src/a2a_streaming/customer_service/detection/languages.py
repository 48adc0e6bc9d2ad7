"""German, Spanish, French and Italian: the words of the concepts that rules need most.

A language is known by its small words. Then its own words tell the concepts: a word counts if it begins
with what stands here, or, from five letters on, holds it (German writes `Hotelrechnung` as one word).
Words stand without accents, phrases with underscores.
"""

from __future__ import annotations

from collections.abc import Sequence

_SMALL_WORDS = {
    "de": (
        "ich mein meine meinen meinem meiner mir mich der das ein eine einen und ist nicht "
        "wie wann wo warum kann mochte bitte fur auf von zu wurde habe hat sie ihr ihre wir "
        "mit heute morgen"
    ),
    "es": (
        "yo mi mis me el los las una uno es esta por para que como cuando donde cual quiero "
        "puedo necesito con del dos veces favor hay tengo han he su se cuanto de la un"
    ),
    "fr": (
        "je mon ma mes moi le les une est pas comment quand pourquoi puis veux voudrais pour "
        "avec du vous votre ai il elle sur ou combien dois ce cette aux des de la un quel "
        "quelle"
    ),
    "it": (
        "io mio mia miei mi il lo gli una non come quando dove perche posso vorrei per con "
        "del della ho ha sono che quanto devo questo questa di la un"
    ),
}

_WORDS: dict[str, str] = {
    "de": """
        mine: =ich =mein =meine =meinen =meinem =meiner =mir =mich =wir =uns =unser
        flight: flug fluge flieg
        stay: hotel zimmer unterkunft ubernacht ferienwohnung
        rental: mietwagen leihwagen mietauto
        table: =tisch =tische
        eatery: restaurant
        booking: buchung reservierung reiseplan
        trip: reise =ticket fahrkarte bahnticket
        order: bestellung
        cancel: stornier storno =absagen kundig abbestell
        change: ander umbuch verschieb verleg vorverleg =tauschen
        book: =buche =buchen =reserviere =reservieren =bestellen
        rent: =miete =mieten =leihen
        make: =brauche =mochte =will =suche =nehme
        look: zeig =wann =wo =welche =welcher =status =sehen =prufen bestatig
        status: verspat punktlich =landet =startet =ankunft =abflug
        balance: kontostand saldo guthaben
        bill: rechnung =beleg =belege quittung
        account: =konto kundenkonto
        owe: =schulde =schulden =fallig offener
        pay: zahl bezahl uberweis
        method: =karte paypal methode zahlungsart zahlungsmittel
        fee: gebuhr =kosten zuschlag
        charge: abgebucht berechnet belastet abbuchung
        refund: erstatt ruckerstatt ruckzahl geld_zuruck
        fraud: betrug unbefugt missbrauch
        twice: zweimal doppelt
        trouble: problem fehler fehlgeschlagen abgelehnt falsch klappt
        human: mensch mitarbeiter berater kollege sachbearbeiter
        person: mensch mitarbeiter berater jemand person
        talk: sprech =reden telefonier =anrufen verbind kontakt erreich
        service: kundendienst kundenservice kundenbetreuung
        elsewhere: wetter =lied musik rezept =wecker witz ubersetz =verkehr =film lieferung paket passwort newsletter steuer gehalt urlaubstage bundesliga
    """,
    "es": """
        mine: =yo =mi =mis =me =nos =nuestro =nuestra
        flight: vuelo =volar =avion
        stay: hotel habitacion alojamiento hostal
        rental: coche_de_alquiler =alquiler
        vehicle: =coche =carro =auto
        table: =mesa
        eatery: restaurante
        booking: =reserva =reservas =reservacion =reservaciones itinerario
        trip: =viaje =viajes billete pasaje
        order: =pedido =pedidos
        cancel: cancel anul
        change: cambi modific aplaz =mover adelantar =reprogramar
        book: reservar =reserve =reservo
        rent: alquilar =rentar
        make: =quiero =necesito =busco =quisiera
        look: =ver muestr ensen =cuando =donde =cual =cuales =estado confirm
        status: retras puntual =sale =llega
        balance: =saldo
        bill: factura =recibo =recibos
        account: =cuenta
        owe: =debo =adeudo vencimiento =vence
        pay: =pago =pagos =pagar =pague =pagado
        method: metodo tarjeta paypal =forma =formas
        fee: comision =cargo =cargos recargo =tarifa
        charge: cobraron =cobrado =cobro =cobran
        refund: reembols devolucion devuelv devolver
        fraud: fraude =estafa
        twice: dos_veces =doble duplicado
        trouble: problema =error rechaz fall incorrect
        human: humano =agente representante =persona operador
        person: humano =agente representante =persona alguien
        talk: hablar contactar comunic =llamar
        service: atencion_al_cliente servicio_al_cliente
        elsewhere: =tiempo clima cancion musica receta alarma chiste traduc trafico pelicula envio paquete contrasena boletin impuesto salario futbol
    """,
    "fr": """
        mine: =je =mon =ma =mes =moi =nous =notre =nos =me
        flight: =vol =vols =avion
        stay: hotel =chambre =chambres hebergement
        rental: voiture_de_location location_de_voiture
        vehicle: voiture
        table: =table
        eatery: restaurant
        booking: reservation itineraire
        trip: voyage =billet =billets
        order: commande
        cancel: annul resili
        change: modifi chang deplac report =avancer decal
        book: =reserver =reserve
        rent: =louer
        make: =veux =voudrais =besoin =cherche =souhaite
        look: =voir montr =quand =ou =quel =quelle =quelles =statut confirm affich
        status: retard =decolle =atterrit =part
        balance: =solde
        bill: factur =recu =recus
        account: =compte
        owe: =dois =du =echeance impaye
        pay: pay paiement regler
        method: =moyen =moyens =carte paypal mode_de
        fee: =frais commission supplement
        charge: debite preleve prelevement facture
        refund: rembours
        fraud: fraud arnaque
        twice: deux_fois =double doublon
        trouble: probleme erreur refuse echoue incorrect
        human: humain conseiller =agent operateur
        person: humain conseiller =agent quelqu personne
        talk: parler contacter joindre =appeler
        service: service_client service_clientele
        elsewhere: meteo chanson musique recette reveil blague tradui =trafic =film livraison colis mot_de_passe newsletter impot salaire football
    """,
    "it": """
        mine: =io =mio =mia =miei =mie =mi =nostro =nostra =ci
        flight: =volo =voli =aereo
        stay: hotel albergo =camera =camere alloggio
        rental: auto_a_noleggio =noleggio
        table: tavolo
        eatery: ristorante
        booking: prenotazion itinerario
        trip: viaggi biglietto
        order: =ordine =ordini
        cancel: cancell annull disdi
        change: cambi modific spost posticip anticip
        book: =prenotare =prenota =prenoto riservare
        rent: noleggiare affittare
        make: =voglio =vorrei =cerco bisogno
        look: =vedere mostra =quando =dove =quale =quali =stato conferm
        status: ritardo =parte =arriva
        balance: =saldo
        bill: fattur ricevut bollett
        account: =conto
        owe: =devo scadenza
        pay: pagament =pagare =pagato
        method: metod =carta paypal =modalita
        fee: commission =tariffa sovrapprezzo =costi
        charge: addebit
        refund: rimbors
        fraud: frode truffa
        twice: due_volte =doppio duplicat
        trouble: problem errore rifiutat fallit sbagliat
        human: =umano =umana operatore =agente =persona
        person: =umano =umana operatore =agente =persona qualcuno
        talk: parlare contattare chiamare
        service: servizio_clienti assistenza_clienti
        elsewhere: meteo canzone musica ricetta sveglia barzelletta traduci traffico =film consegna pacco newsletter tasse stipendio calcio
    """,
}
"""Concepts, one a line; `=` before a word that must be this one whole."""
_ENOUGH = 2
"""Small words that show a language; concepts that make sense of a text without any."""
_WITHIN = 5
"""How long a word must be to be looked for within others."""


class _Language:
    """One language's words, as they are looked up."""

    def __init__(self, table: str) -> None:
        self._exact: dict[str, list[str]] = {}
        self._begins: list[tuple[str, str]] = []
        self._phrases: list[tuple[str, str]] = []
        for line in table.strip().splitlines():
            concept, _, entries = line.strip().partition(": ")
            for entry in entries.split():
                if entry.startswith("="):
                    self._exact.setdefault(entry[1:], []).append(concept)
                elif "_" in entry:
                    self._phrases.append((f" {entry.replace('_', ' ')}", concept))
                else:
                    self._begins.append((entry, concept))

    def concepts(self, words: Sequence[str]) -> frozenset[str]:
        """Return the concepts that words stand for."""
        found: set[str] = set()
        for word in words:
            found.update(self._exact.get(word, ()))
            for entry, concept in self._begins:
                if word.startswith(entry) or (len(entry) >= _WITHIN and entry in word):
                    found.add(concept)
        text = f" {' '.join(words)}"
        found.update(concept for phrase, concept in self._phrases if phrase in text)
        if "mine" in found:
            found.add("frame")
        return frozenset(found)


_SMALL = {name: frozenset(text.split()) for name, text in _SMALL_WORDS.items()}
_LANGUAGES = {name: _Language(table) for name, table in _WORDS.items()}


def read(words: Sequence[str]) -> frozenset[str] | None:
    """Return the concepts of a text in another language; None if it is English, or none of these.

    Args:
        words: The text's words, without accents.
    """
    said = set(words)
    counts = {name: len(small & said) for name, small in _SMALL.items()}
    name = max(counts, key=lambda name: counts[name])
    english = len(_ENGLISH & said)
    if counts[name] <= english:
        return None
    found = _LANGUAGES[name].concepts(words)
    # One small word is little: "la" is a city, too.
    sure = counts[name] >= _ENOUGH or (not english and len(found) >= _ENOUGH)
    return found if sure else None


def guess(words: Sequence[str]) -> frozenset[str] | None:
    """Return the concepts of a text too short to show its language; None if its words mean nothing.

    Args:
        words: The text's words, without accents.
    """
    if not _ENGLISH.isdisjoint(words):
        return None
    found = max((language.concepts(words) for language in _LANGUAGES.values()), key=len)
    return found if len(found) >= _ENOUGH else None


_ENGLISH_WORDS = (
    "i my me you your our us the is are was do does did can could what when where why how to for of "
    "in at and not please want need have has would it this that with from am be will show send get "
    "give some by or as there which who"
)
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
