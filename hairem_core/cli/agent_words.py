"""Permissions in words that a person understands, in English and French."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hairem_core.hotplug.bundle import Manifest
    from hairem_core.hotplug.permissions import Permissions

WORDS = {
    "en": {
        "llm": "think with your language model, which may cost money",
        "home.read": "read how things are in your home",
        "home.act": "switch and change anything in your home that is exposed to assistants",
        "home.act only": "switch and change in your home: {only}",
        "memory.shared": "recall what other agents share, and share what it remembers",
        "network": "reach your network and the internet",
        "network only": "reach your network and the internet, on TCP ports {only}",
        "processes": "start programs of its own",
        "nothing": "nothing but talk",
        "may": "It asks to be allowed to:",
        "installs": "It needs these packages, which are installed for it alone:",
        "secrets": "It needs these secrets from you:",
        "code": "It has {lines} lines of Python. What it may do is enforced; read it all the same.",
        "no code": "It has no code: it is made of its character alone.",
        "replaces": "It replaces {name} {version}, in {folder}.",
        "install?": "Install it? [y/N]",
        "yes": "y yes",
        "no": "n no",
    },
    "fr": {
        "llm": "penser avec votre modèle de langage, ce qui peut coûter de l'argent",
        "home.read": "lire l'état de votre maison",
        "home.act": "actionner et changer dans votre maison tout ce qui est exposé aux assistants",
        "home.act only": "actionner et changer dans votre maison : {only}",
        "memory.shared": "se rappeler ce que d'autres agents partagent, partager ce qu'il retient",
        "network": "accéder à votre réseau et à Internet",
        "network only": "accéder à votre réseau et à Internet, sur les ports TCP {only}",
        "processes": "lancer ses propres programmes",
        "nothing": "rien d'autre que parler",
        "may": "Il demande le droit de :",
        "installs": "Il a besoin de ces paquets, installés pour lui seul :",
        "secrets": "Il attend de vous ces secrets :",
        "code": "Il a {lines} lignes de Python. Ses droits sont contrôlés ; lisez-le quand même.",
        "no code": "Il n'a pas de code : il est fait de son seul caractère.",
        "replaces": "Il remplace {name} {version}, dans {folder}.",
        "install?": "L'installer ? [o/N]",
        "yes": "o oui y yes",
        "no": "n non no",
    },
}


def language(environ: Mapping[str, str] = os.environ) -> str:
    """Return the language of this user's terminal: `fr`, or `en` for all others."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"


def permissions_in_words(permissions: Permissions, language: str) -> list[str]:
    """Return a sentence for each permission."""
    words, found = WORDS[language], []
    for entry in permissions.as_list():
        if isinstance(entry, dict):
            name, only = next(iter(entry.items()))
            listed = ", ".join(str(each) for each in only)
            found.append(words[f"{name} only"].format(only=listed))
        else:
            found.append(words[entry])
    return found or [words["nothing"]]


def secrets_wanted(manifest: Manifest) -> list[str]:
    """Return the secrets that whoever installs it must give, each with where it is looked up."""
    from hairem_core.config.yaml_file import SecretName

    found = []
    for name, value in sorted(manifest.secrets.items()):
        if value is None:
            found.append(f"{name} ({manifest.id.upper()}_{name})")
        elif isinstance(value, SecretName):
            found.append(f"{name} (secrets.yaml: {value.name})")
    return found
