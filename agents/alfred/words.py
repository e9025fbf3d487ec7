"""What Alfred says and is told without a model's help, by language."""

from datetime import datetime

_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}
_WORDS = {
    "en": {
        "due": "A reminder, as you asked: {what}.",
        "late": "Forgive me, this comes late; for {when} you had asked: {what}.",
        "today": "{time} today",
        "other_day": "{day} at {time}",
    },
    "fr": {
        "due": "Comme convenu, je vous le rappelle : {what}.",
        "late": "Pardonnez ce retard ; pour {when}, vous aviez demandé ceci : {what}.",
        "today": "aujourd'hui à {time}",
        "other_day": "{day} à {time}",
    },
}


def reminder(what: str, language: str, *, due: datetime, now: datetime, late: bool) -> str:
    """Return what is said when a reminder is due; `due` and `now` are local times."""
    words = _WORDS[language]
    if not late:
        return words["due"].format(what=what)
    time = f"{due:%H:%M}" if language == "en" else f"{due.hour} h {due:%M}"
    if due.date() == now.date():
        when = words["today"].format(time=time)
    else:
        when = words["other_day"].format(day=_DAYS[language][due.weekday()], time=time)
    return words["late"].format(when=when, what=what)
