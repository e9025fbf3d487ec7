"""What is learned of a sentence, by rule."""

import pytest

from hairem_core.memory.interpret.extracted import Said
from hairem_core.memory.interpret.facts import MOST_FACTS, extract
from tests.memory.interpret.samples import START, Expected, facts, told

ENGLISH: list[tuple[str, Expected]] = [
    ("My favourite colour is blue.", [("@", "favourite colour", "blue")]),
    ("My favorite color is now green", [("@", "favourite colour", "green")]),
    ("Actually, green is my favourite colour now.", [("@", "favourite colour", "green")]),
    ("I prefer red now", [("@", "favourite colour", "red")]),
    ("The colour I like best is purple.", [("@", "favourite colour", "purple")]),
    ("I live in Lyon.", [("@", "lives_in", "lyon")]),
    ("I moved to Paris last year", [("@", "lives_in", "paris")]),
    ("I've just moved to New York", [("@", "lives_in", "new york")]),
    ("We live in Geneva, Switzerland", [("@", "lives_in", "geneva")]),
    ("i live in paris", [("@", "lives_in", "paris")]),
    ("I work at Google", [("@", "works_at", "google")]),
    ("I work for the city of Geneva", [("@", "works_at", "city of geneva")]),
    ("I work as a nurse", [("@", "job", "nurse")]),
    ("I'm a nurse", [("@", "job", "nurse")]),
    ("I am now working as a teacher.", [("@", "job", "teacher")]),
    ("My birthday is on May 3rd", [("@", "birthday", "may 3rd")]),
    ("I was born on 3 May 1980", [("@", "birthday", "3 may 1980")]),
    ("I was born in Lyon", [("@", "birthplace", "lyon")]),
    ("Anna's birthday is on the 4th of July", [("name:anna", "birthday", "4th of july")]),
    (
        "I am allergic to peanuts and shellfish.",
        [("@", "allergy:peanut", "peanut"), ("@", "allergy:shellfish", "shellfish")],
    ),
    ("Léo is allergic to cats", [("name:leo", "allergy:cats", "cats")]),
    ("I like pizza", [("@", "taste:pizza", "likes")]),
    ("I love sushi, ramen and tempura", [("@", "taste:sushi", "likes")]),
    ("I hate olives", [("@", "taste:olive", "dislikes")]),
    ("I don't like mushrooms", [("@", "taste:mushroom", "dislikes")]),
    ("I no longer like mushrooms", [("@", "taste:mushroom", "dislikes")]),
    ("I prefer tea to coffee", [("@", "preference:coffee/tea", "tea")]),
    ("The spare key is under the doormat.", [("thing:spare key", "location", "under the doormat")]),
    ("The spare key is now in the shed", [("thing:spare key", "location", "in the shed")]),
    ("I moved the spare key to the garage", [("thing:spare key", "location", "in the garage")]),
    (
        "I put the spare key in the blue flowerpot.",
        [("thing:spare key", "location", "in the blue flowerpot")],
    ),
    ("We have a dog called Rex.", [("@", "pet:dog:rex", "rex")]),
    ("Our dog is called Rex", [("@", "pet:dog:rex", "rex")]),
    ("My cat's name is Minou", [("@", "pet:cat:minou", "minou")]),
    ("Rex is our dog", [("@", "pet:dog:rex", "rex")]),
    ("Anna is my sister", [("@", "sister:anna", "anna")]),
    ("My sister is called Anna", [("@", "sister:anna", "anna")]),
    ("My sister's name is Anna", [("@", "sister:anna", "anna")]),
    ("I have a sister called Julie", [("@", "sister:julie", "julie")]),
    ("My wife is Claire", [("@", "partner", "claire")]),
    ("Call me Al", [("@", "goes by", "al")]),
    ("You can call me Max.", [("@", "goes by", "max")]),
    ("My name is Gaspard", [("@", "name", "gaspard")]),
    ("The garage code is 1234", [("thing:garage", "code", "1234")]),
    ("The code for the garage is 4321", [("thing:garage", "code", "4321")]),
    ("The wifi password is hunter2", [("thing:wifi", "password", "hunter2")]),
    ("Our wi-fi password changed to swordfish", [("thing:wifi", "password", "swordfish")]),
    ("My phone number is 079 123 45 67", [("@", "phone number", "079 123 45 67")]),
    ("My email is anna@home.net", [("@", "email", "anna@home.net")]),
    ("My sister Anna lives in Paris", [("name:anna", "lives_in", "paris")]),
    ("My brother works at Airbus", [("@/brother", "works_at", "airbus")]),
    ("Gaspard lives in Bern", [("name:gaspard", "lives_in", "bern")]),
    ("Gaspard's bike is blue", [("name:gaspard", "bike colour", "blue")]),
    ("Gaspard's bike is in the garage", [("name:gaspard", "bike location", "in the garage")]),
    ("My car is red", [("@", "car colour", "red")]),
    ("My car is a Renault", [("@", "car kind", "renault")]),
    (
        "My dentist appointment is on Friday at 3",
        [("@", "dentist appointment time", "friday at 3")],
    ),
    ("The bins go out on Tuesdays", [("thing:bin", "day", "tuesdays")]),
    ("I'm vegetarian", [("@", "diet", "vegetarian")]),
    ("I have diabetes", [("@", "condition:diabetes", "diabetes")]),
    ("I'm 34 years old", [("@", "age", "34")]),
    ("I trust Gaspard", [("@", "trust:gaspard", "yes")]),
    ("The storm caused the power cut", [("thing:storm", None, "the power cut")]),
    (
        "Remember that the boiler was serviced in May",
        [("@", None, "the boiler was serviced in may")],
    ),
    ("Please remember my shoe size is 42", [("@", "shoe size", "42")]),
    ("I think my doctor is Martin", [("@", "doctor", "martin")]),
    ("My doctor is Dr Martin", [("@", "doctor", "dr martin")]),
    (
        "I live in Lyon and I work at Airbus, and my sister is called Julie",
        [("@", "lives_in", "lyon"), ("@", "works_at", "airbus"), ("@", "sister:julie", "julie")],
    ),
    ("I don't eat meat", [("@", "eats:meat", "no")]),
    ("I play the piano", [("@", "plays:piano", "piano")]),
    (
        "I speak French and German",
        [("@", "speaks:french", "french"), ("@", "speaks:german", "german")],
    ),
    ("Our cat Minou died yesterday", [("@", "pet:cat:minou", "died")]),
    ("I'm from Brittany", [("@", "from", "brittany")]),
    ("Gaspard moved to Zurich", [("name:gaspard", "lives_in", "zurich")]),
    ("Gaspard likes jazz", [("name:gaspard", "taste:jazz", "likes")]),
    ("Léo is 8 years old", [("name:leo", "age", "8")]),
    ("My doctor's name is Martin", [("@", "doctor", "martin")]),
    ("I have two sisters", [("@", "sister count", "sister")]),
    ("I have a brother", [("@", "has:brother", "brother")]),
    ("I go by Max", [("@", "goes by", "max")]),
    ("The cellar key is in the blue box", [("thing:cellar key", "location", "in the blue box")]),
    ("My bike is in the garage", [("@", "bike location", "in the garage")]),
    ("I keep my passport in the top drawer", [("thing:passport", "location", "in the top drawer")]),
    ("Hey Renarde, my favourite film is Alien by the way", [("@", "favourite film", "alien")]),
    ("Renarde, I live in Bern.", [("@", "lives_in", "bern")]),
    (
        "Hello! My name is Tom. I live in Bern. I love chess.",
        [("@", "name", "tom"), ("@", "lives_in", "bern"), ("@", "taste:chess", "likes")],
    ),
    ("Our wifi password is now hunter3, don't forget", [("thing:wifi", "password", "hunter3")]),
    ("No, my favourite colour is pink", [("@", "favourite colour", "pink")]),
    ("I'm allergic to penicillin, so be careful", [("@", "allergy:penicillin", "penicillin")]),
    ("My daughter Emma is allergic to nuts", [("name:emma", "allergy:nuts", "nuts")]),
    (
        "My son is called Hugo and my daughter is called Emma",
        [("@", "son:hugo", "hugo"), ("@", "daughter:emma", "emma")],
    ),
    ("I now work for Nestlé", [("@", "works_at", "nestle")]),
    ("I got a new job at Nestlé", [("@", "works_at", "nestle")]),
    ("I joined Nestlé in May", [("@", "works_at", "nestle")]),
    ("My mother's birthday is on June 5", [("@/mother", "birthday", "june 5")]),
    ("My name is Anna, call me Annie", [("@", "name", "anna"), ("@", "goes by", "annie")]),
    ("My favourite food is now pasta carbonara", [("@", "favourite food", "pasta carbonara")]),
    ("I'm retired", [("@", "job", "retired")]),
    ("My phone number changed to 079 000 11 22", [("@", "phone number", "079 000 11 22")]),
    ("My new address is 12 Mill Lane", [("@", "address", "12 mill lane")]),
    ("The alarm code has changed to 7777", [("thing:alarm", "code", "7777")]),
    ("We got a cat called Minou", [("@", "pet:cat:minou", "minou")]),
    ("We adopted a cat named Tigrou", [("@", "pet:cat:tigrou", "tigrou")]),
    ("My favourite season is autumn, always has been", [("@", "favourite season", "autumn")]),
    ("My girlfriend lives in Berlin", [("@/girlfriend", "lives_in", "berlin")]),
    ("My best friend is Marc", [("@", "friend:marc", "marc")]),
    (
        "Remember: the spare key is with the neighbours",
        [("@", None, "the spare key is with the neighbours")],
    ),
    ("My blood type is AB negative", [("@", "blood type", "ab negative")]),
    ("Don't forget that I'm allergic to wasps", [("@", "allergy:wasp", "wasp")]),
    ("My son is called Hugo", [("@", "son:hugo", "hugo")]),
    ("My favourite film is Alien by the way", [("@", "favourite film", "alien")]),
    ("I work at Google in Zurich", [("@", "works_at", "google")]),
    ("I changed my mind, my favourite colour is red", [("@", "favourite colour", "red")]),
    ("My favourite colour isn't blue anymore, it's green", [("@", "favourite colour", "green")]),
    ("My favorite color is no longer blue but green", [("@", "favourite colour", "green")]),
    (
        "My favourite colour used to be blue but now it's green",
        [("@", "favourite colour", "green")],
    ),
    ("These days my favourite colour is teal", [("@", "favourite colour", "turquoise")]),
    ("As of today my favourite colour is orange", [("@", "favourite colour", "orange")]),
    ("I've changed my favourite colour to green", [("@", "favourite colour", "green")]),
    ("My new favourite colour is green", [("@", "favourite colour", "green")]),
    ("I have moved from Lyon to Paris", [("@", "lives_in", "paris")]),
    ("We have moved to Bern", [("@", "lives_in", "bern")]),
    ("I'm living in Zurich now", [("@", "lives_in", "zurich")]),
    ("I relocated to Berlin", [("@", "lives_in", "berlin")]),
    ("I'm based in Oslo these days", [("@", "lives_in", "oslo")]),
    ("I don't live in Lyon anymore, I live in Paris", [("@", "lives_in", "paris")]),
    (
        "The spare key isn't under the doormat anymore, it's in the shed",
        [("thing:spare key", "location", "in the shed")],
    ),
    (
        "The spare key is no longer under the mat, it is in the shed",
        [("thing:spare key", "location", "in the shed")],
    ),
    ("We keep the spare key in the shed now", [("thing:spare key", "location", "in the shed")]),
    ("I hid the spare key behind the bins", [("thing:spare key", "location", "behind the bins")]),
    ("My phone number is now 079 111 22 33", [("@", "phone number", "079 111 22 33")]),
    ("My new number is 079 111 22 33", [("@", "phone number", "079 111 22 33")]),
    ("The wifi password has been changed to kiwi99", [("thing:wifi", "password", "kiwi99")]),
    ("We changed the wifi password to kiwi99", [("thing:wifi", "password", "kiwi99")]),
    ("The new wifi password is kiwi99", [("thing:wifi", "password", "kiwi99")]),
    ("I changed the garage code to 5555", [("thing:garage", "code", "5555")]),
    ("I left Google, I work at Nestlé now", [("@", "works_at", "nestle")]),
    ("My boss is Martin", [("@", "boss", "martin")]),
    ("My boss is now Julie", [("@", "boss", "julie")]),
    ("My doctor is now Dr. Keller", [("@", "doctor", "dr keller")]),
    ("My wife is called Claire", [("@", "partner", "claire")]),
    ("My husband is Tom", [("@", "partner", "tom")]),
    ("I'm married to Tom", [("@", "partner", "tom")]),
    ("I got married to Tom", [("@", "partner", "tom")]),
    ("I turned 35", [("@", "age", "35")]),
    ("I'm 35 now", [("@", "age", "35")]),
    ("I am thirty-five years old", [("@", "age", "thirty-five")]),
    ("My car is now a Tesla", [("@", "car kind", "tesla")]),
    ("My car is blue now", [("@", "car colour", "blue")]),
    ("My team is Arsenal", [("@", "team name", "arsenal")]),
    ("My favourite team is Arsenal", [("@", "favourite team", "arsenal")]),
    ("My daughter Emma is 8", [("name:emma", "age", "8")]),
    ("Emma is 8 years old", [("name:emma", "age", "8")]),
    ("Emma is 9 now", [("name:emma", "age", "9")]),
    ("Gaspard now lives in Zurich", [("name:gaspard", "lives_in", "zurich")]),
    ("Gaspard's favourite colour is blue", [("name:gaspard", "favourite colour", "blue")]),
    ("Gaspard's favourite colour is now green", [("name:gaspard", "favourite colour", "green")]),
    ("Gaspard works as a baker", [("name:gaspard", "job", "baker")]),
    ("Anna's phone number is 079 333 44 55", [("name:anna", "phone number", "079 333 44 55")]),
    ("My meeting is on Tuesday at 10", [("@", "meeting time", "tuesday at 10")]),
    ("My meeting has moved to Wednesday at 9", [("@", "meeting time", "wednesday at 9")]),
    ("The dentist appointment is on Friday", [("thing:dentist appointment", "time", "friday")]),
    ("The dentist is on Friday.", [("thing:dentist appointment", "time", "friday")]),
    ("The dentist was moved to Monday.", [("thing:dentist appointment", "time", "monday")]),
    ("The meeting was postponed to Tuesday", [("thing:meeting", "time", "tuesday")]),
    ("My flight is at 6pm", [("@", "flight time", "6pm")]),
    ("My appointment has been moved to Thursday", [("@", "appointment time", "thursday")]),
    ("I'm allergic to peanuts.", [("@", "allergy:peanut", "peanut")]),
    ("I have a peanut allergy", [("@", "allergy:peanut", "peanut")]),
    ("The cat's name is Minou", [("@", "pet:cat:minou", "minou")]),
    ("Our cat is called Minou", [("@", "pet:cat:minou", "minou")]),
    ("I have a dog named Max", [("@", "pet:dog:max", "max")]),
    ("My dog Max is 3 years old", [("name:max", "age", "3")]),
    ("My mum lives in Nantes", [("@/mother", "lives_in", "nantes")]),
    ("My mother's name is Odile", [("@", "mother", "odile")]),
    ("My favorite movie is The Matrix.", [("@", "favourite film", "matrix")]),
    (
        "My favorite band is Radiohead and my favorite song is Creep",
        [("@", "favourite band", "radiohead"), ("@", "favourite song", "creep")],
    ),
    ("The alarm code is 4242", [("thing:alarm", "code", "4242")]),
    ("The safe combination is 12-34-56", [("thing:safe", "code", "12-34-56")]),
    ("My bank PIN is 9876", [("@", "bank code", "9876")]),
    ("The bins are collected on Tuesday", [("thing:bin", "day", "tuesday")]),
    ("Bin day is Thursday", [("thing:bin", "day", "thursday")]),
    ("Our neighbour is called Mr Dupont", [("@", "neighbour:mr dupont", "mr dupont")]),
    ("Our neighbour's name is Dupont", [("@", "neighbour:dupont", "dupont")]),
]
FRENCH: list[tuple[str, Expected]] = [
    ("Ma couleur préférée est le bleu.", [("@", "favourite colour", "blue")]),
    ("Ma couleur préférée, c'est le vert maintenant", [("@", "favourite colour", "green")]),
    ("Le rouge est ma couleur préférée", [("@", "favourite colour", "red")]),
    ("J'habite à Lyon", [("@", "lives_in", "lyon")]),
    ("j'habite maintenant à Paris", [("@", "lives_in", "paris")]),
    ("On a déménagé à Marseille", [("@", "lives_in", "marseille")]),
    ("Je viens d'emménager à Genève", [("@", "lives_in", "geneve")]),
    ("Je vis en Suisse", [("@", "lives_in", "suisse")]),
    ("Je suis infirmière", [("@", "job", "infirmiere")]),
    ("Je travaille chez Airbus", [("@", "works_at", "airbus")]),
    ("Je travaille comme boulanger", [("@", "job", "boulanger")]),
    ("Mon anniversaire est le 3 mai", [("@", "birthday", "3 mai")]),
    ("Mon anniversaire, c'est le 12 juin.", [("@", "birthday", "12 juin")]),
    ("Je suis né le 3 mai 1980", [("@", "birthday", "3 mai 1980")]),
    ("L'anniversaire de Léo est le 4 juillet", [("name:leo", "birthday", "4 juillet")]),
    (
        "Je suis allergique aux arachides et au lait",
        [("@", "allergy:arachide", "arachide"), ("@", "allergy:lait", "lait")],
    ),
    ("Léo est allergique aux chats", [("name:leo", "allergy:chat", "chat")]),
    ("J'adore le chocolat", [("@", "taste:chocolat", "likes")]),
    ("Je n'aime pas les champignons", [("@", "taste:champignon", "dislikes")]),
    ("Je n'aime plus le chocolat", [("@", "taste:chocolat", "dislikes")]),
    ("Je préfère le thé", [("@", "taste:the", "likes")]),
    ("Je préfère le thé au café", [("@", "preference:cafe/the", "the")]),
    (
        "La clé de secours est sous le paillasson",
        [("thing:spare key", "location", "sous le paillasson")],
    ),
    (
        "J'ai mis la clé de secours dans le garage",
        [("thing:spare key", "location", "dans le garage")],
    ),
    (
        "Je range les piles dans le tiroir du bas",
        [("thing:battery", "location", "dans le tiroir du bas")],
    ),
    ("On a un chien qui s'appelle Rex", [("@", "pet:dog:rex", "rex")]),
    ("Notre chat s'appelle Minou", [("@", "pet:cat:minou", "minou")]),
    ("Ma sœur s'appelle Julie", [("@", "sister:julie", "julie")]),
    ("Julie est ma soeur", [("@", "sister:julie", "julie")]),
    ("J'ai une sœur qui s'appelle Julie", [("@", "sister:julie", "julie")]),
    ("Mon mari s'appelle Paul", [("@", "partner", "paul")]),
    ("Mon mari, c'est Paul", [("@", "partner", "paul")]),
    ("Je m'appelle Gaspard", [("@", "name", "gaspard")]),
    ("Appelle-moi Gaspard", [("@", "goes by", "gaspard")]),
    ("Le code du garage est 1234", [("thing:garage", "code", "1234")]),
    ("Le code du garage est maintenant 9876", [("thing:garage", "code", "9876")]),
    ("Le mot de passe du wifi est tournesol42", [("thing:wifi", "password", "tournesol42")]),
    ("Mon numéro de téléphone est le 06 12 34 56 78", [("@", "phone number", "06 12 34 56 78")]),
    ("Ma sœur habite à Lyon", [("@/sister", "lives_in", "lyon")]),
    ("Le vélo de Gaspard est rouge", [("name:gaspard", "bike colour", "red")]),
    ("Le dentiste est vendredi", [("thing:dentist appointment", "time", "vendredi")]),
    ("Le dentiste a été déplacé à lundi", [("thing:dentist appointment", "time", "lundi")]),
    (
        "Le rendez-vous chez le dentiste est reporté à mardi",
        [("thing:dentist appointment", "time", "mardi")],
    ),
    ("Les poubelles passent le mardi", [("thing:bin", "day", "mardi")]),
    ("Je suis végétarienne", [("@", "diet", "vegetarien")]),
    ("J'ai 34 ans", [("@", "age", "34")]),
    ("Je fais confiance à Léo", [("@", "trust:leo", "yes")]),
    (
        "Souviens-toi que le chauffagiste passe en octobre",
        [("@", None, "le chauffagiste passe en octobre")],
    ),
    ("N'oublie pas que Léo dort chez nous mardi", [("@", None, "leo dort chez nous mardi")]),
    ("Ma pointure est 38", [("@", "shoe size", "38")]),
    ("Je ne mange pas de viande", [("@", "eats:viande", "no")]),
    ("Je joue du piano", [("@", "plays:piano", "piano")]),
    ("Gaspard aime le jazz", [("name:gaspard", "taste:jazz", "likes")]),
    ("Gaspard déteste les épinards", [("name:gaspard", "taste:epinard", "dislikes")]),
    ("Léo a 8 ans", [("name:leo", "age", "8")]),
    ("Mon prénom est Gaspard", [("@", "name", "gaspard")]),
    ("Le code du portail, c'est 5678", [("thing:gate", "code", "5678")]),
    (
        "La clé de la cave est dans la boîte bleue",
        [("thing:cellar key", "location", "dans la boite bleue")],
    ),
    (
        "Salut, je m'appelle Léa, j'habite à Nantes et je suis prof.",
        [("@", "name", "lea"), ("@", "lives_in", "nantes"), ("@", "job", "prof")],
    ),
    ("Le mot de passe du wifi, c'est maintenant tulipe7", [("thing:wifi", "password", "tulipe7")]),
    ("En fait, ma couleur préférée est le rouge", [("@", "favourite colour", "red")]),
    ("Ma fille Emma est allergique aux noix", [("name:emma", "allergy:noix", "noix")]),
    (
        "Mon fils s'appelle Hugo et ma fille s'appelle Emma",
        [("@", "son:hugo", "hugo"), ("@", "daughter:emma", "emma")],
    ),
    ("J'ai trouvé un nouveau boulot chez Nestlé", [("@", "works_at", "nestle")]),
    ("L'anniversaire de ma mère est le 5 juin", [("@/mother", "birthday", "5 juin")]),
    ("Mon adresse est 12 rue des Lilas", [("@", "address", "12 rue des lilas")]),
    ("Mon plat préféré est la raclette", [("@", "favourite food", "raclette")]),
    ("Le code de l'alarme est 4242", [("thing:alarm", "code", "4242")]),
    ("Mon meilleur ami s'appelle Marc", [("@", "friend:marc", "marc")]),
    ("Retiens que mon groupe sanguin est O+", [("@", "blood type", "o+")]),
    ("Ma couleur préférée n'est plus le bleu, c'est le vert", [("@", "favourite colour", "green")]),
    ("Ma nouvelle couleur préférée est le vert", [("@", "favourite colour", "green")]),
    ("Ma couleur préférée a changé, c'est le vert", [("@", "favourite colour", "green")]),
    ("Finalement ma couleur préférée c'est le vert", [("@", "favourite colour", "green")]),
    ("Je n'habite plus à Lyon, j'habite à Paris", [("@", "lives_in", "paris")]),
    ("J'ai déménagé, j'habite à Nice maintenant", [("@", "lives_in", "nice")]),
    ("J'ai déménagé à Nice", [("@", "lives_in", "nice")]),
    ("On habite à Nice depuis hier", [("@", "lives_in", "nice")]),
    ("Nous habitons désormais à Nice", [("@", "lives_in", "nice")]),
    (
        "La clé de secours n'est plus sous le paillasson, elle est dans le garage",
        [("thing:spare key", "location", "dans le garage")],
    ),
    (
        "La clé de secours est maintenant dans le garage",
        [("thing:spare key", "location", "dans le garage")],
    ),
    (
        "J'ai déplacé la clé de secours dans le garage",
        [("thing:spare key", "location", "dans le garage")],
    ),
    ("On a caché la clé de secours sous le pot", [("thing:spare key", "location", "sous le pot")]),
    ("Mon nouveau numéro est le 06 11 22 33 44", [("@", "phone number", "06 11 22 33 44")]),
    ("Le nouveau mot de passe du wifi est kiwi99", [("thing:wifi", "password", "kiwi99")]),
    ("On a changé le mot de passe du wifi, c'est kiwi99", [("thing:wifi", "password", "kiwi99")]),
    ("J'ai changé le code du garage, c'est 5555", [("thing:garage", "code", "5555")]),
    ("Mon médecin est le docteur Keller", [("@", "doctor", "docteur keller")]),
    ("Ma mère s'appelle Odile", [("@", "mother", "odile")]),
    ("Ma maman habite à Nantes", [("@/mother", "lives_in", "nantes")]),
    ("Mon chien s'appelle Max", [("@", "pet:dog:max", "max")]),
    ("Mon chien a 3 ans", [("@/dog", "age", "3")]),
    ("J'ai 35 ans maintenant", [("@", "age", "35")]),
    ("Je bosse chez Nestlé maintenant", [("@", "works_at", "nestle")]),
    ("Je travaille maintenant chez Nestlé", [("@", "works_at", "nestle")]),
    ("J'ai quitté Google, je travaille chez Nestlé", [("@", "works_at", "nestle")]),
    ("Mon anniversaire est le 14 juillet", [("@", "birthday", "14 juillet")]),
    ("Je suis né le 14 juillet", [("@", "birthday", "14 juillet")]),
    ("Appelle moi Max", [("@", "goes by", "max")]),
    ("Tu peux m'appeler Max", [("@", "goes by", "max")]),
    ("Les poubelles sont ramassées le mardi", [("thing:bin", "day", "mardi")]),
]


@pytest.mark.parametrize(("text", "expected"), ENGLISH, ids=[each for each, _ in ENGLISH])
def test_english(text: str, expected: Expected) -> None:
    assert told(text, "en") == expected


@pytest.mark.parametrize(("text", "expected"), FRENCH, ids=[each for each, _ in FRENCH])
def test_french(text: str, expected: Expected) -> None:
    assert told(text, "fr") == expected


@pytest.mark.parametrize(("text", "expected"), ENGLISH + FRENCH)
def test_the_language_that_a_client_tells_may_be_wrong(text: str, expected: Expected) -> None:
    assert told(text, None) == expected
    assert told(text, "de-CH") == expected


@pytest.mark.parametrize(("text", "expected"), ENGLISH + FRENCH)
def test_what_is_learned_is_in_the_words_that_were_said(text: str, expected: Expected) -> None:
    for fact in facts(text, None):
        said = text.replace(",", "").replace(".", "").replace("!", "").split()
        kept = set(fact.content.replace(",", "").replace(".", "").split())
        # Of "isn't blue, it's green" the short form is left.
        assert kept - {"is", "est"} <= set(said)
        assert fact.subject in fact.about
        assert 0.5 <= fact.importance <= 1


def test_there_are_enough_samples() -> None:
    assert len(ENGLISH) >= 80
    assert len(FRENCH) >= 50


def test_what_is_not_sure_is_less_sure() -> None:
    (unsure,), (sure,) = facts("I think my doctor is Martin"), facts("My doctor is Martin")
    assert unsure.confidence < sure.confidence


def test_who_tells_a_story_of_oneself_is_not_taken_word_for_word() -> None:
    story = " ".join(f"I like food{number}." for number in range(40))
    assert len(facts(story)) <= MOST_FACTS
    assert facts(story * 2) == []


def test_television_is_no_speech() -> None:
    line = "My name is Rick, and I live in Casablanca, she said to him, and then the music began. "
    assert facts(line * 12) == []


def test_the_speaker_is_whoever_speaks() -> None:
    said = Said(text="I live in Bern", speaker="user:tom", at=START)
    assert [each.subject for each in extract(said)] == ["user:tom"]
