"""Words of English and French by which the rules know things, without accents.

A table has a line for each thing: its one name, and the other words that people have for it.
"""

_NOUNS = """
    phone number: telephone number, mobile number, cell number, cellphone number, phone,
        number, mobile, numero, numero de telephone, numero de tel, numero de portable,
        numero de mobile, telephone, tel
    email: email address, e-mail, e-mail address, mail, mail address, adresse mail, adresse
        email, adresse e-mail, courriel
    address: adresse, home address, postal address, adresse postale
    birthday: anniversaire, date of birth, birth date, birthdate, date de naissance, b-day,
        bday
    password: mot de passe, mdp, passphrase
    code: pin, pin code, access code, door code, combination, passcode, code pin, code
        d'acces, combinaison, digicode
    name: first name, prenom, nom
    surname: last name, family name, nom de famille
    nickname: surnom
    shoe size: pointure, taille de chaussures
    blood type: blood group, groupe sanguin
    height: taille
    weight: poids
    licence plate: license plate, plaque, plaque d'immatriculation, immatriculation, number
        plate
    job: profession, metier, travail, boulot, occupation, emploi
    doctor: gp, medecin, docteur, medecin traitant, generaliste
    dentist: dentiste
    hairdresser: coiffeur, coiffeuse, barber
    boss: patron, patronne, chef, cheffe, manager
    wife: femme, epouse
    husband: mari, epoux, hubby
    partner: conjoint, conjointe, compagnon, compagne
    girlfriend: copine, petite amie
    boyfriend: copain, petit ami
    mother: mum, mom, mummy, mere, maman
    father: dad, daddy, pere, papa
    sister: soeur, sœur, little sister, big sister, older sister, younger sister, elder
        sister, petite soeur, grande soeur, petite sœur, grande sœur, sister, sis
    brother: frere, little brother, big brother, older brother, younger brother, petit
        frere, grand frere
    son: fils, older son, younger son, eldest son, youngest son
    daughter: fille, older daughter, younger daughter, eldest daughter, youngest daughter
    baby: bebe
    grandmother: grandma, granny, nan, grand-mere, mamie, grand mere, meme
    grandfather: grandpa, grandad, granddad, grand-pere, papy, papi, grand pere
    aunt: auntie, tante, tata
    uncle: oncle, tonton
    cousin: cousine
    niece:
    nephew: neveu
    friend: best friend, close friend, ami, amie, meilleur ami, meilleure amie, pote, mate
    colleague: collegue, coworker, co-worker
    neighbour: neighbor, voisin, voisine
    roommate: flatmate, housemate, coloc, colocataire
    teacher: prof, professeur, maitresse, instituteur, institutrice
    mother-in-law: belle-mere
    father-in-law: beau-pere
    sister-in-law: belle-soeur, belle-sœur
    brother-in-law: beau-frere
    dog: chien, chienne, puppy, chiot
    cat: chat, chatte, kitten, chaton
    rabbit: lapin
    hamster:
    horse: cheval, pony, poney
    parrot: perroquet
    fish: goldfish, poisson, poisson rouge
    bird: oiseau, canary, canari, budgie
    turtle: tortoise, tortue
    guinea pig: cochon d'inde
    snake: serpent
    spare key: cle de secours, clef de secours, double des cles, double de la cle, spare
        keys, cles de secours, cle de rechange, double de cle, double de cles, house spare
        key, spare house key
    key: keys, cle, cles, clef, clefs
    first aid kit: trousse de secours, first-aid kit, trousse a pharmacie, pharmacie
    wifi: wi-fi, wi fi, wlan, internet, box internet, box, reseau, network, router, routeur
    garage: garage door, porte de garage, porte du garage
    garden: jardin
    gate: portail, front gate
    door: porte
    front door: porte d'entree
    alarm: alarme, alarm system, burglar alarm, systeme d'alarme
    safe: coffre, coffre-fort
    house: maison
    building: immeuble, apartment building
    cellar: cave, basement
    shed: cabanon, abri de jardin, remise
    letterbox: boite aux lettres, mailbox
    bike: velo, bicycle, bicyclette
    car: voiture, auto, bagnole
    computer: ordinateur, ordi, pc, laptop
    tablet: tablette, ipad
    glasses: lunettes
    remote: telecommande, remote control
    battery: batteries, pile, piles
    torch: flashlight, lampe torche, lampe de poche
    medicine: medication, medicaments, meds, medicament
    charger: chargeur
    tools: toolbox, outils, boite a outils, tool box
    bin: bins, trash, garbage, rubbish, poubelle, poubelles, recycling, ordures
    school: ecole
    bedroom: chambre
    colour: color, couleur, colors, colours, couleurs
    food: foods, dish, meal, plat, nourriture, repas
    film: movie, films, movies
    book: livre, books, livres, novel, roman
    song: chanson, songs, chansons
    band: groupe, group
    singer: chanteur, chanteuse
    drink: boisson
    season: saison
    game: jeu, board game, jeu de societe, video game, jeu video
    show: tv show, series, serie, emission, tv series
    team: equipe, football team, equipe de foot
    flower: fleur
    music: musique, kind of music, style de musique, genre de musique
    author: auteur, writer, ecrivain
    artist: artiste
    ice cream: glace, ice cream flavour, ice cream flavor, parfum de glace
    place: endroit, lieu
    city: ville, town
    country: pays
    subject: matiere
    tea: the
    appointment: rendez-vous, rdv
    meeting: reunion
    flight: vol
    train:
"""
_COLOURS = """
    red: rouge, rouges
    blue: bleu, bleue, bleus, bleues
    green: vert, verte, verts, vertes
    yellow: jaune, jaunes
    orange:
    purple: violet, violette, violets, violettes
    mauve: lilac, lilas
    pink: rose, roses
    black: noir, noire, noirs, noires
    white: blanc, blanche, blancs, blanches
    grey: gray, gris, grise, grises
    brown: marron, brun, brune, bruns, brunes
    turquoise: teal
    beige:
    gold: golden, dore, doree
    silver: argente, argentee
    navy: marine
    burgundy: bordeaux
    crimson:
    indigo:
    cyan:
    magenta:
    khaki: kaki
"""
_JOBS = """
    nurse doctor teacher engineer developer programmer lawyer baker butcher plumber
    electrician carpenter driver pilot cook chef waiter waitress student accountant architect
    artist musician writer journalist photographer designer dentist vet veterinarian
    pharmacist scientist researcher professor policeman policewoman firefighter farmer
    gardener hairdresser mechanic secretary salesman manager consultant translator librarian
    psychologist therapist physiotherapist midwife soldier banker cashier cleaner painter
    builder tailor actor actress singer dancer surgeon paramedic judge analyst freelancer
    entrepreneur director technician operator pensioner infirmier infirmiere medecin
    professeur prof instituteur institutrice ingenieur ingenieure developpeur developpeuse
    programmeur avocat avocate boulanger boulangere boucher plombier electricien electricienne
    menuisier chauffeur pilote cuisinier cuisiniere serveur serveuse etudiant etudiante
    comptable architecte artiste musicien musicienne ecrivain journaliste photographe
    graphiste dentiste veterinaire pharmacien pharmacienne scientifique chercheur chercheuse
    policier policiere pompier agriculteur agricultrice jardinier coiffeur coiffeuse
    mecanicien secretaire vendeur vendeuse consultante traducteur traductrice bibliothecaire
    psychologue kine sage-femme soldat banquier caissier peintre macon acteur actrice chanteur
    chanteuse chirurgien juge facteur factrice apprenti retraite retraitee directeur
    directrice
"""
_PLAYED = """
    badminton basketball bass batterie cello chess clarinet clarinette drums echecs flute
    football guitar guitare handball harp piano rugby saxophone tennis trompette trumpet
    ukulele violin violon violoncelle
"""
_SPOKEN = """
    allemand anglais arabe arabic basque breton catalan chinese chinois coreen dutch english
    espagnol flamand flemish francais french german grec greek hebreu hebrew hindi italian
    italien japanese japonais korean neerlandais polish polonais portugais portuguese russe
    russian spanish suedois swedish turc turkish
"""
_OWNED = """
    allotment bateau bike boat campervan car caravan caravane garden greenhouse guitar guitare
    jardin moto motorbike motorcycle piano piscine pool potager scooter serre violin violon
"""


def _table(text: str) -> dict[str, str]:
    """Return the one name of each word of a table."""
    names: dict[str, str] = {}
    for line in text.replace("\n        ", " ").strip().splitlines():
        name, _, rest = line.strip().partition(":")
        names |= {word.strip(): name for word in (name, *rest.split(",")) if word.strip()}
    return names


NOUNS = _table(_NOUNS)
COLOURS = _table(_COLOURS)
JOBS = frozenset(_JOBS.split())
INSTRUMENTS = frozenset(_PLAYED.split())
LANGUAGES_SPOKEN = frozenset(_SPOKEN.split())
OWNABLES = frozenset(_OWNED.split())

PARTNERS = frozenset({"wife", "husband", "partner", "girlfriend", "boyfriend"})
SINGLE_ROLES = PARTNERS | {"mother", "father", "boss", "doctor", "dentist", "hairdresser"}
MANY_ROLES = frozenset(
    {
        *("sister", "brother", "son", "daughter", "baby", "grandmother", "grandfather", "aunt"),
        *("uncle", "cousin", "niece", "nephew", "friend", "colleague", "neighbour", "roommate"),
        *("teacher", "mother-in-law", "father-in-law", "sister-in-law", "brother-in-law"),
    }
)
ROLES = SINGLE_ROLES | MANY_ROLES
PETS = frozenset(
    {
        *("dog", "cat", "rabbit", "hamster", "horse", "parrot", "fish", "bird", "turtle"),
        *("guinea pig", "snake"),
    }
)
ATTRIBUTES = frozenset(
    {
        *("phone number", "email", "address", "birthday", "name", "surname", "nickname", "job"),
        *("shoe size", "blood type", "height", "weight", "licence plate", "star sign"),
    }
)
KEEPABLES = frozenset(
    {
        *("spare key", "key", "first aid kit", "glasses", "remote", "battery", "torch", "charger"),
        *("medicine", "tools", "passport", "wallet", "umbrella", "fuse box", "stopcock", "manual"),
        *("ladder", "drill", "matches", "candles", "scissors", "water meter", "gas meter"),
        *("passeport", "portefeuille", "parapluie", "tableau electrique", "disjoncteur"),
        *("compteur", "echelle", "perceuse", "allumettes", "bougies", "ciseaux", "papiers"),
        *("documents", "papers", "decorations", "suitcase", "suitcases", "valise", "valises"),
        *("tent", "tente", "sleeping bag", "lightbulbs", "ampoules", "bike", "stepladder"),
    }
)
_KEEPING_PLACES = """
    attic loft cellar basement shed garage drawer drawers cupboard cabinet closet wardrobe shelf
    shelves box basket bag chest trunk boot laundry pantry larder bookcase dresser sideboard safe
    bowl tin jar hook rack doormat flowerpot car glovebox toolbox desk nightstand
    grenier cave sous-sol remise cabanon garage tiroir placard armoire etagere boite panier sac
    coffre malle buanderie cellier commode buffet bibliotheque crochet paillasson pot voiture
    bureau penderie debarras dressing vitrine corbeille
    """
KEEPING_PLACES = frozenset(_KEEPING_PLACES.split())
"""Where things are put away: what is said to be there will be looked for."""
_NEVER_KEPT = """
    meeting party dinner lunch breakfast concert show film movie match game lesson class exam train
    bus plane weather problem light lights lamp kid kids child children baby everyone everybody
    nobody water smoke fire noise smell leak mouse spider guest guests
    reunion fete diner dejeuner repas spectacle cours examen avion meteo probleme lumiere lumieres
    lampe enfant enfants bebe eau fumee feu bruit odeur fuite souris araignee invite invites monde
    """
NEVER_KEPT = frozenset(_NEVER_KEPT.split())
"""What is in a place for a moment only."""
HOUSE_THINGS = frozenset(
    {
        *("wifi", "garage", "gate", "door", "front door", "alarm", "safe", "house", "building"),
        *("cellar", "shed", "letterbox", "garden", "back door", "guest wifi"),
    }
)
