"""The words that tests plant in DICOM files, and where in outputs and logs they are found again."""

import re

from tests.qfr.xafiles import SECRETS

# Those that no number and no coded picture can hold by chance; the names of both spellings.
WORDS = sorted({word for text in SECRETS.values() for word in (text, text.upper()) if len(text) >= 7})
DATE = re.compile(rb"(?<![\d.])19370321(?!\d)")  # and not within a long number


def told_in(*folders, texts=()):
    """Each place where one of the words stands, of every file below the folders and of texts."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert files
    pieces = [(str(path), path.read_bytes()) for path in files] + [("text", text.encode()) for text in texts]
    pieces += [("name", str(path).encode()) for path in files]
    words, codes = [word for word in WORDS if not word.isdigit()], ("utf-8", "utf-16-le", "utf-16-be")
    spellings = [(word, word.encode(code)) for word in words for code in codes]
    found = [(name, word) for name, content in pieces for word, spelt in spellings if spelt in content]
    return found + [(name, "date") for name, content in pieces if DATE.search(content)]
