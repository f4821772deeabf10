"""Why a line of an HMIS export is refused, in French and in English."""

from application.importing import Reason

ENCODING = Reason(
    "bad_encoding", "Ces octets ne forment pas un texte lisible.", "These bytes are not text in the file's encoding."
)
NUL = Reason("nul_byte", "La ligne contient un octet nul.", "The line holds a NUL byte.")
CSV = Reason("bad_csv", "Les guillemets de la ligne sont mal fermés.", "The line's quotes are not closed properly.")
LINE_TOO_LONG = Reason("line_too_long", "La ligne dépasse la taille permise.", "The line is longer than allowed.")
COLUMN_COUNT = Reason(
    "column_count",
    "La ligne n'a pas autant de colonnes que l'en-tête.",
    "The line does not have as many columns as the header.",
)
MISSING_VALUE = Reason("missing_value", "Une valeur est obligatoire ici.", "A value is required here.")
BAD_DATE = Reason("bad_date", "Ce n'est pas une date (AAAA-MM-JJ).", "This is not a date (YYYY-MM-DD).")
UNKNOWN_CODE = Reason(
    "unknown_code", "Ce code n'est pas dans la liste de référence.", "This code is not in the reference list."
)
DUPLICATE_ID = Reason(
    "duplicate_id", "Une ligne précédente porte déjà cet identifiant.", "An earlier line has the same identifier."
)
UNKNOWN_PERSON = Reason(
    "unknown_person",
    "Aucune ligne acceptée de Client.csv ne porte cet identifiant.",
    "No accepted line of Client.csv has this identifier.",
)
UNKNOWN_ENROLLMENT = Reason(
    "unknown_enrollment",
    "Aucune ligne acceptée de Enrollment.csv ne porte cet identifiant.",
    "No accepted line of Enrollment.csv has this identifier.",
)
UNKNOWN_PROJECT = Reason(
    "unknown_project",
    "Aucune ligne acceptée de Project.csv ne porte cet identifiant.",
    "No accepted line of Project.csv has this identifier.",
)
UNKNOWN_ORGANIZATION = Reason(
    "unknown_organization",
    "Aucune ligne acceptée de Organization.csv ne porte cet identifiant.",
    "No accepted line of Organization.csv has this identifier.",
)
PERSON_MISMATCH = Reason(
    "person_mismatch",
    "L'inscription de cette ligne est celle d'une autre personne.",
    "This line's enrolment is that of another person.",
)
END_BEFORE_START = Reason("end_before_start", "La fin précède le début.", "The end comes before the start.")
IN_THE_FUTURE = Reason("in_the_future", "Cette date n'est pas encore passée.", "This date has not come yet.")
BEFORE_BIRTH = Reason("before_birth", "Cette date précède la naissance.", "This date comes before the birth.")

NO_FOLDER = Reason("no_folder", "Ce dossier n'existe pas.", "There is no such folder.")
MISSING_FILE = Reason("missing_file", "Ce fichier est obligatoire.", "This file is required.")
UNREADABLE_FILE = Reason("unreadable_file", "Ce fichier ne peut pas être lu.", "This file cannot be read.")
NO_HEADER = Reason("no_header", "Ce fichier n'a pas d'en-tête lisible.", "This file has no readable header.")
MISSING_COLUMN = Reason(
    "missing_column", "Cette colonne obligatoire manque à l'en-tête.", "The header lacks this required column."
)
