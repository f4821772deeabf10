"""What can be wrong with a bundle, in words: what was changed, and where."""

from typing import NamedTuple

TEXTS = {
    # The bundle as files.
    "not-a-bundle": ("pas un dossier de preuves : {why}", "not a bundle: {why}"),
    "list-altered": ("SHA256SUMS a été modifié, ligne {line}", "SHA256SUMS was altered, line {line}"),
    "file-altered": (
        "modifié depuis l'écriture du dossier (ou sa ligne de SHA256SUMS)",
        "altered since the bundle was written (or its line of SHA256SUMS)",
    ),
    "file-missing": ("fichier disparu", "file missing"),
    "file-unaccounted": ("fichier que rien n'explique", "file that nothing accounts for"),
    "file-unreadable": ("fichier illisible : {why}", "file that cannot be read: {why}"),
    # Events.
    "segment-damaged": ("octets illisibles à partir de {at}", "bytes that cannot be read from {at} on"),
    "segment-misplaced": (
        "commence à l'événement {found} et non {due}",
        "begins at event {found} instead of {due}",
    ),
    "event-missing": ("événement disparu (le suivant est {found})", "event missing (the next one is {found})"),
    "event-moved": ("suit l'événement {before} : ordre changé", "follows event {before}: order changed"),
    "header-damaged": ("en-tête modifié : illisible", "header altered: unreadable"),
    "header-of-another-log": ("en-tête d'un autre territoire", "header of another territory"),
    "columns-altered": (
        "colonne modifiée dans la base : {names} (l'en-tête scellé dit autre chose)",
        "column altered in the database: {names} (the sealed header says otherwise)",
    ),
    "version-broken": (
        "version {found} du flux {stream}, {due} attendue",
        "version {found} of stream {stream}, {due} was due",
    ),
    "payload-altered": (
        "contenu scellé modifié : ce n'est pas l'empreinte enregistrée",
        "sealed payload altered: its hash is not the recorded one",
    ),
    "leaf-altered": (
        "feuille modifiée : ce n'est pas celle de l'en-tête et du contenu",
        "leaf altered: it is not that of the header and payload",
    ),
    "event-altered": (
        "ce n'est pas l'événement scellé à cette place",
        "not the event that was sealed in this place",
    ),
    "time-backwards": ("enregistré avant le précédent : antidaté", "recorded before the one before it: back-dated"),
    "pruned-unjustified": (
        "contenu supprimé sans effacement de la personne",
        "payload removed although the person was not erased",
    ),
    "events-missing-at-the-end": (
        "fin supprimée : {sealed} événements scellés, {found} présents",
        "end cut off: {sealed} events sealed, {found} present",
    ),
    "events-unsealed": (
        "{found} événements présents, {sealed} scellés : la suite n'est couverte par rien",
        "{found} events present, {sealed} sealed: nothing covers the rest",
    ),
    # The tree and what is signed.
    "tile-altered": ("tuile de l'arbre modifiée", "tile of the tree altered"),
    "tile-missing": ("tuile de l'arbre disparue", "tile of the tree missing"),
    "key-damaged": ("clé de vérification illisible", "verification key unreadable"),
    "key-of-another-log": ("clé d'un autre journal : {name}", "key of another log: {name}"),
    "key-untrusted": ("signé par une clé que vous n'avez pas donnée", "signed by a key that you did not give"),
    "note-damaged": ("point de contrôle illisible", "checkpoint unreadable"),
    "note-of-another-log": ("point de contrôle d'un autre journal : {origin}", "checkpoint of another log: {origin}"),
    "signature-wrong": (
        "signature fausse, ou d'une autre clé que celle du journal",
        "signature false, or by another key than the log's",
    ),
    "root-differs": (
        "les {size} premiers événements ne sont pas ceux qui ont été signés",
        "the first {size} events are not those that were signed",
    ),
    "log-shorter": (
        "{size} événements signés, {found} présents : fin supprimée ou copie ancienne restaurée",
        "{size} events signed, {found} present: end cut off, or an old copy restored",
    ),
    "split-view": (
        "deux racines signées pour {size} événements : ce journal ne montre pas la même histoire à tous",
        "two signed roots for {size} events: this log does not show everybody the same history",
    ),
    "since-unknown": (
        "ce dossier ne contient pas ce journal : {origin}",
        "this bundle does not hold this log: {origin}",
    ),
}


class Fault(NamedTuple):
    """`where` is a file of the bundle, or the log's folder and the event's position."""

    code: str
    where: str = ""
    position: int | None = None
    values: tuple[tuple[str, object], ...] = ()

    def text(self, language: str) -> str:
        fr, en = TEXTS[self.code]
        told = (fr if language == "fr" else en).format(**dict(self.values))
        place = self.where
        if self.position is not None:
            place += f", événement {self.position}" if language == "fr" else f", event {self.position}"
        colon = " : " if language == "fr" else ": "
        return f"{place}{colon}{told}" if place else told


def fault(code: str, where: str = "", position: int | None = None, **values: object) -> Fault:
    return Fault(code, where, position, tuple(values.items()))
