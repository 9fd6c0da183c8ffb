"""Who writes to whom: a seeded world of names, addresses, subjects, texts and files, made with Faker."""

import random
from dataclasses import dataclass

from faker import Faker

_LOCALES = ("en_US", "de_DE", "fr_FR", "ja_JP", "ru_RU")
_LOCALE_WEIGHTS = (60, 14, 10, 8, 8)
_FILES = (
    ("application/pdf", "pdf", b"%PDF-1.7\n"),
    ("image/png", "png", b"\x89PNG\r\n\x1a\n"),
    ("application/zip", "zip", b"PK\x03\x04"),
    ("text/csv", "csv", b""),
    ("application/octet-stream", "bin", b""),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx", b"PK\x03\x04"),
)
_FILE_SIZES_BYTES = (300, 2_000, 12_000, 60_000, 250_000)
_FILE_SIZE_WEIGHTS = (15, 35, 30, 15, 5)


@dataclass(frozen=True, slots=True)
class Person:
    """A correspondent, and the language he writes in."""

    name: str
    address: str
    locale: str


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to attach."""

    name: str
    content_type: str
    data: bytes


class People:
    """The seeded source of everything a message is made of."""

    def __init__(self, seed: int, owners: tuple[str, ...], stranger_count: int = 60) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a workload, not a secret
        self._fakers = {locale: Faker(locale) for locale in _LOCALES}
        for number, faker in enumerate(self._fakers.values()):
            faker.seed_instance(seed + number)
        self.owners = [Person(self._fakers["en_US"].name(), address, "en_US") for address in owners]
        self.strangers = [self._stranger() for _ in range(stranger_count)]

    def _stranger(self) -> Person:
        locale = self.chance.choices(_LOCALES, _LOCALE_WEIGHTS)[0]
        return Person(self._fakers[locale].name(), self._fakers["en_US"].ascii_company_email(), locale)

    def subject(self, locale: str) -> str:
        """Return a subject line."""
        return self._fakers[locale].sentence(nb_words=self.chance.randint(2, 7)).rstrip(".")

    def text(self, locale: str) -> str:
        """Return a few paragraphs."""
        count = self.chance.choices((1, 2, 4, 9), (40, 35, 20, 5))[0]
        return "\n\n".join(self._fakers[locale].paragraphs(nb=count))

    def word(self, locale: str = "en_US") -> str:
        """Return one word, as a folder or a category might be called."""
        return str(self._fakers[locale].word()).capitalize()

    def company(self) -> str:
        """Return the name of a company."""
        return str(self._fakers["en_US"].company())

    def street(self) -> str:
        """Return a street address."""
        return str(self._fakers["en_US"].street_address())

    def file(self) -> NewFile:
        """Return a file of a usual kind, size and name; names are not always ASCII."""
        content_type, suffix, magic = self.chance.choice(_FILES)
        size_bytes = self.chance.choices(_FILE_SIZES_BYTES, _FILE_SIZE_WEIGHTS)[0]
        data = magic + self.chance.randbytes(self.chance.randint(size_bytes // 2, size_bytes))
        if suffix == "csv":
            data = self._fakers["en_US"].csv(num_rows=size_bytes // 60 + 1).encode()
        locale = self.chance.choices(_LOCALES, _LOCALE_WEIGHTS)[0]
        return NewFile(f"{self.word(locale)} {self.chance.randint(1, 99)}.{suffix}", content_type, data)

    def token(self) -> str:
        """Return 24 hex digits, as ids and boundaries are made of."""
        return f"{self.chance.getrandbits(96):024x}"
