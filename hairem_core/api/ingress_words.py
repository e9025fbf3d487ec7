"""What the page says, in English and in French."""

from hairem_core.config.system import Language

type Words = dict[str, str]

_ENGLISH: Words = {
    "running": "hAIrem is running",
    "trouble": "hAIrem runs, but something is wrong",
    "misconfigured": "hAIrem is waiting for its options",
    "version": "version",
    "uptime": "running for",
    "days": "{} d",
    "hours": "{} h",
    "minutes": "{} min",
    "refresh": "Look again",
    "notices": "To look at",
    "agents": "Agents",
    "no_agents": "There are no agents yet.",
    "state_discovered": "found",
    "state_vetting": "being looked at",
    "state_starting": "starting",
    "state_live": "ready",
    "state_draining": "stopping",
    "state_stopped": "stopped",
    "state_rejected": "rejected",
    "state_quarantined": "in quarantine",
    "state_crashed": "crashed",
    "disabled": "disabled",
    "parts": "What runs",
    "part_redis": "Messages (Redis)",
    "part_memory": "Memory",
    "part_llm": "Language model",
    "part_agents": "Agents",
    "status_up": "works",
    "status_ok": "works",
    "status_down": "does not work",
    "status_degraded": "fails at times",
    "status_offline": "none: the offline brain answers",
    "connect": "How to connect",
    "discovered": (
        "Home Assistant discovers it: open Settings, then Devices & services, and confirm hAIrem. "
        "The hAIrem integration must be installed, through HACS."
    ),
    "not_discovered": "Home Assistant has not been told of it yet; that is tried again and again.",
    "by_hand": "Anything else connects to",
    "outside": "and from outside this machine, to its port {}.",
    "closed": "The port is closed to the rest of the network: the app's network settings open it.",
    "supervisor_away": "The Supervisor does not answer; Home Assistant learns of hAIrem later.",
    "not_announced": "The Supervisor refuses to tell Home Assistant of hAIrem.",
    "mariadb_away": "MariaDB cannot be reached: memories are not archived until it is back.",
    "mariadb_gone": (
        "No app offers the MariaDB that holds archived memories: start it, or switch use_mariadb "
        "off to begin a new archive."
    ),
    "mariadb_unused": "Memories are archived in a file already, so MariaDB is not used.",
    "mariadb_left": "use_mariadb is off: what is archived in MariaDB is out of reach.",
    "why_misconfigured": (
        "Nothing is lost. hAIrem starts when these are right: change them under Configuration, "
        "save, and restart the app."
    ),
    "line": "line {}",
}

_FRENCH: Words = {
    "running": "hAIrem fonctionne",
    "trouble": "hAIrem fonctionne, mais quelque chose ne va pas",
    "misconfigured": "hAIrem attend ses options",
    "version": "version",
    "uptime": "en marche depuis",
    "days": "{} j",
    "hours": "{} h",
    "minutes": "{} min",
    "refresh": "Regarder à nouveau",
    "notices": "À voir",
    "agents": "Agents",
    "no_agents": "Il n'y a pas encore d'agents.",
    "state_discovered": "trouvé",
    "state_vetting": "en cours d'examen",
    "state_starting": "démarre",
    "state_live": "prêt",
    "state_draining": "s'arrête",
    "state_stopped": "arrêté",
    "state_rejected": "refusé",
    "state_quarantined": "en quarantaine",
    "state_crashed": "en panne",
    "disabled": "désactivé",
    "parts": "Ce qui tourne",
    "part_redis": "Messages (Redis)",
    "part_memory": "Mémoire",
    "part_llm": "Modèle de langage",
    "part_agents": "Agents",
    "status_up": "fonctionne",
    "status_ok": "fonctionne",
    "status_down": "ne fonctionne pas",
    "status_degraded": "échoue par moments",
    "status_offline": "aucun : le cerveau hors ligne répond",
    "connect": "Comment s'y connecter",
    "discovered": (
        "Home Assistant le découvre : ouvrez Paramètres, puis Appareils et services, et confirmez "
        "hAIrem. L'intégration hAIrem doit être installée, par HACS."
    ),
    "not_discovered": "Home Assistant n'en a pas encore été informé ; les essais continuent.",
    "by_hand": "Tout le reste se connecte à",
    "outside": "et, depuis l'extérieur de cette machine, à son port {}.",
    "closed": (
        "Le port est fermé au reste du réseau : les réglages réseau de l'application l'ouvrent."
    ),
    "supervisor_away": (
        "Le Supervisor ne répond pas ; Home Assistant apprendra plus tard que hAIrem est là."
    ),
    "not_announced": "Le Supervisor refuse d'annoncer hAIrem à Home Assistant.",
    "mariadb_away": (
        "MariaDB est injoignable : les souvenirs ne sont pas archivés avant son retour."
    ),
    "mariadb_gone": (
        "Aucune application n'offre la MariaDB qui contient les souvenirs archivés : démarrez-la, "
        "ou désactivez use_mariadb pour commencer une nouvelle archive."
    ),
    "mariadb_unused": (
        "Des souvenirs sont déjà archivés dans un fichier : MariaDB n'est pas utilisée."
    ),
    "mariadb_left": (
        "use_mariadb est désactivé : ce qui est archivé dans MariaDB est hors de portée."
    ),
    "why_misconfigured": (
        "Rien n'est perdu. hAIrem démarre quand tout ceci est juste : corrigez-le sous "
        "Configuration, enregistrez, et redémarrez l'application."
    ),
    "line": "ligne {}",
}

WORDS: dict[Language, Words] = {"en": _ENGLISH, "fr": _FRENCH}
