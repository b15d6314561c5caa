"""What the statements of a script are: tables, rows, what may be passed over, and what is refused by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from entrepot.errors import SourceError
from entrepot.formats.readers.sql_dialect import IDENTIFIER, QUALIFIED, bare, identifiers

_LIST = rb"\(\s*(" + IDENTIFIER + rb"(?:\s*,\s*" + IDENTIFIER + rb")*)\s*\)"
INSERT = re.compile(
    rb"(?:INSERT|REPLACE)\s+(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE)\s+|OR\s+(?:REPLACE|IGNORE|ABORT|FAIL)\s+)*"
    rb"(?:INTO\s+)?(?:ONLY\s+)?(?P<name>" + QUALIFIED + rb")\s*(?:" + _LIST + rb")?\s*"
    rb"(?:OVERRIDING\s+(?:SYSTEM|USER)\s+VALUE\s*)?VALUES?\s*(?=\()",
    re.IGNORECASE,
)
COPY = re.compile(
    rb"COPY\s+(?P<name>" + QUALIFIED + rb")\s*(?:" + _LIST + rb")?\s*FROM\s+stdin\s*(?P<options>[^;\n]*);[^\n]*\n",
    re.IGNORECASE,
)
_CREATE = re.compile(
    rb"CREATE\s+(?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED|FOREIGN)\s+)*TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    rb"(?P<name>" + QUALIFIED + rb")\s*",
    re.IGNORECASE,
)
HEAD = 256 << 10
"""Bytes in which a statement's name and columns must be."""

_REPLACING = r"CREATE( OR REPLACE)?"
_PASSED = (
    "SET|RESET|BEGIN|START TRANSACTION|COMMIT|END|SAVEPOINT|RELEASE|USE|GO|PRINT|LOCK|UNLOCK|PRAGMA|ANALYZE|VACUUM"
    "|REINDEX|COMMENT|GRANT|REVOKE|CHECKPOINT|FLUSH|REFRESH MATERIALIZED VIEW"
)
_MADE = (
    r"(( UNIQUE| CLUSTERED| NONCLUSTERED| FULLTEXT| SPATIAL| COLUMNSTORE)* INDEX"
    r"|( TEMP| TEMPORARY)? (SEQUENCE|SCHEMA|DATABASE|TYPE|DOMAIN|EXTENSION|STATISTICS|COLLATION)"
    r"|( ALGORITHM ?= ?\w+| DEFINER ?= ?\S+| SQL SECURITY \w+| TEMP| TEMPORARY| RECURSIVE| MATERIALIZED)* VIEW)"
)
_ALTERED = "SEQUENCE|SCHEMA|TYPE|DATABASE|INDEX|VIEW|MATERIALIZED VIEW|DEFAULT PRIVILEGES|EXTENSION|DOMAIN|STATISTICS"
_DROPPED = (
    "TABLE|VIEW|MATERIALIZED VIEW|INDEX|SEQUENCE|SCHEMA|DATABASE|TYPE|DOMAIN|EXTENSION|TRIGGER|FUNCTION|PROCEDURE|EVENT"
)
_IGNORE = re.compile(
    rf"(?:{_PASSED}|{_REPLACING}{_MADE}|ALTER ({_ALTERED})|DROP ({_DROPPED}))(?![A-Z0-9_])"  # noqa: S608 - a pattern
    r"|SELECT (PG_CATALOG\.)?(SET_CONFIG|SETVAL) ?\(|DELETE FROM [\"`\[]?SQLITE_\w+"
    r"|EXEC(UTE)? (\[?SYS\]?\.)?\[?SP_(ADDEXTENDEDPROPERTY|DB_)",
    re.IGNORECASE,
)
"""Statements that have and change neither rows nor columns of what was read; `docs/formats/sql.md` lists them."""
_ALTER_TABLE = re.compile(r"ALTER( FOREIGN)? TABLE", re.IGNORECASE)
_RESHAPES = re.compile(
    r"\b(ADD (COLUMN\b|(?!CONSTRAINT|PRIMARY|UNIQUE|KEY|INDEX|FOREIGN|CHECK|FULLTEXT|SPATIAL|EXCLUDE|DEFAULT|GENERATED"
    r"|VALUE)[`\"\[A-Z_])|DROP COLUMN|RENAME|CHANGE\b|ADD \[?\w+\]? (INT|BIGINT|VARCHAR|TEXT))",
    re.IGNORECASE,
)
_EMPTIES = re.compile(
    r"(?:TRUNCATE(?: TABLE)?|DELETE FROM|DROP TABLE)(?: IF EXISTS)?(?: ONLY)? (?P<names>.+?)"
    r"(?: CASCADE| RESTRICT| RESTART IDENTITY| CONTINUE IDENTITY)* ?",
    re.IGNORECASE | re.DOTALL,
)
_SYSTEM = re.compile(rb"(?i:sqlite_(?:sequence|stat\d|autoindex\w*))")
_META_IGNORED = re.compile(rb"\\(?:restrict|unrestrict|connect|c|encoding|-)(?![a-z])[^\n]*")
_META = re.compile(rb"\\\S*")


@dataclass(slots=True)
class Declared:
    """A table as a script creates it: names of columns and their declared types."""

    name: str
    columns: list[tuple[str, str]] = field(default_factory=list)


def meta_end(line: bytes, offset: int) -> int:
    """How many bytes of a psql command may be passed over.

    Raises:
        SourceError: The command does something.
    """
    passed = _META_IGNORED.match(line)
    if passed:
        return passed.end()
    found = _META.match(line)
    raise refused(found[0].decode("utf-8", "replace")[:20] if found else "\\", offset)


def refused(what: str, offset: int) -> SourceError:
    """The error for a statement that is not one of those which only describe or hold rows."""
    return SourceError(
        f"The script has {what} at byte {offset:,}, which is neither rows nor a table's shape; scripts are never run.",
        hint="Dump tables alone, without routines and triggers, with INSERT or COPY … FROM stdin.",
        reason="statement",
        statement=what,
        offset=offset,
    )


def simple(statement: bytes) -> str:
    """A statement's words with single blanks and without comments, for comparing."""
    text = re.sub(rb"/\*M?!\d*|\*/", b" ", statement[:20_000])
    text = re.sub(rb"/\*.*?\*/|--[^\n]*", b" ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text.decode("latin-1")).strip()


def may_be_ignored(words: str) -> bool:
    """Whether a statement neither has nor changes rows or columns.

    Args:
        words: As `simple` gives them.
    """
    if not words or _IGNORE.match(words):
        return True
    return bool(_ALTER_TABLE.match(words)) and not _RESHAPES.search(re.sub(r"'[^']*'", "''", words))


def emptied(words: str) -> list[str]:
    """Tables that a statement empties or drops as a whole; none for other statements."""
    match = _EMPTIES.fullmatch(words)
    if match is None:
        return []
    names = match["names"].encode("latin-1")
    if not re.fullmatch(QUALIFIED + rb"(?:\s*,\s*" + QUALIFIED + rb")*", names):
        return []
    return [table_name(one[0]) for one in re.finditer(QUALIFIED, names)]


def name_of(words: str) -> str:
    """What a statement is called in a refusal: its first words."""
    if words.startswith("."):
        return words.split(" ", maxsplit=1)[0][:20]
    if re.match(r"COPY\b.*\bPROGRAM\b", words, re.IGNORECASE):
        return "COPY … FROM PROGRAM"
    if re.match(r"COPY\b", words, re.IGNORECASE):
        return "COPY of another kind than FROM stdin"
    if re.match(r"(INSERT|REPLACE)\b", words, re.IGNORECASE):
        return "INSERT without VALUES"
    most = 3 if re.match(r"CREATE OR\b", words, re.IGNORECASE) else 2
    if re.match(r"CREATE( OR REPLACE)? DEFINER\b", words, re.IGNORECASE):
        found = re.search(r"\b(TRIGGER|PROCEDURE|FUNCTION|EVENT)\b", words, re.IGNORECASE)
        return f"CREATE {found[1].upper()}" if found else "CREATE DEFINER"
    found_words = re.findall(r"[A-Za-z_]+", words)[: most + (most == 3)]
    kept = [w.upper() for w in found_words if w.isascii()]
    return (
        " ".join(kept[:1] if kept[:1] in (["UPDATE"], ["DELETE"], ["MERGE"], ["CALL"], ["DO"], ["EXEC"]) else kept)
        or "a sign"
    )


def is_keyword(name: bytes) -> bool:
    """Whether a table is called by a word that may stand before its name; with other rows, it may be that word."""
    return name.upper() in {b"INTO", b"ONLY", b"OR", b"LOW_PRIORITY", b"DELAYED", b"HIGH_PRIORITY", b"IGNORE"}


def is_system(name: bytes) -> bool:
    """Whether a table is one of the database's own books."""
    return bool(_SYSTEM.fullmatch(identifiers(name)[-1]))


def table_name(name: bytes, encoding: str = "utf-8") -> str:
    """A table's name, with its schema where that is not the usual one."""
    parts = [part.decode(encoding, "replace") for part in identifiers(name)]
    if len(parts) > 1 and parts[-2].lower() in {"public", "dbo", "main"}:
        parts = parts[-1:]
    return ".".join(parts[-2:])


def created(statement: bytes, encoding: str) -> Declared | None:
    """The table that a statement creates; None when it creates none, or one without columns of its own.

    Args:
        statement: Whole, without its end.
        encoding: Of its text.
    """
    head = _CREATE.match(statement)
    if head is None:
        return None
    rest = statement[head.end() :]
    if not rest.startswith(b"(") or re.match(rb"\(\s*SELECT\b", rest, re.IGNORECASE):
        return None
    inside, after = parenthesised(rest)
    if re.search(rb"\bAS\s+(?:SELECT|TABLE|VALUES|\()", after, re.IGNORECASE):
        return None
    columns = [found for part in inside if (found := _column(part.strip(), encoding)) is not None]
    return Declared(table_name(head["name"], encoding), columns)


def is_creation(statement: bytes) -> bool:
    """Whether a statement creates a table."""
    return _CREATE.match(statement) is not None


_PART = re.compile(
    rb"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[(?:[^\]]|\]\])*\]|--[^\n]*|#[^\n]*|/\*.*?\*/|[(),]|[^'\"`\[(),/#-]+|.",
    re.DOTALL,
)


def parenthesised(text: bytes) -> tuple[list[bytes], bytes]:
    """The parts between the commas of what stands in parentheses first, and what follows them."""
    parts: list[bytes] = []
    depth, held = 0, b""
    for match in _PART.finditer(text):
        token = match[0]
        if token == b"(":
            depth += 1
            held += token if depth > 1 else b""
        elif token == b")":
            depth -= 1
            if not depth:
                return [*parts, held], text[match.end() :]
            held += token
        elif token == b"," and depth == 1:
            parts.append(held)
            held = b""
        else:
            held += b" " if token.startswith((b"--", b"/*", b"#")) else token
    return [*parts, held], b""


_CONSTRAINT = re.compile(
    rb"(?:PRIMARY\s+KEY|UNIQUE|KEY|INDEX|CONSTRAINT|FOREIGN\s+KEY|CHECK|EXCLUDE|FULLTEXT|SPATIAL|LIKE|PERIOD\s+FOR)"
    rb"(?=[\s(`\"\[]|\Z)",
    re.IGNORECASE,
)
_COLUMN = re.compile(rb"(?P<name>" + IDENTIFIER + rb")\s*(?P<rest>.*)", re.DOTALL)
_TYPE = re.compile(
    r"[\"\[]?(?P<word>[a-z_][\w.$]*)[\"\]]?(?P<more>(?: (?:varying|precision|unsigned|zerofill|large object))*)"
    r"(?P<size>\s*\([^)]*\))?"
    r"(?P<after>(?: (?:unsigned|signed|zerofill|with time zone|without time zone))*)(?P<array>\s*\[.*?\])?",
    re.IGNORECASE,
)


def _column(part: bytes, encoding: str) -> tuple[str, str] | None:
    if _CONSTRAINT.match(part) and not _is_typed(part):
        return None
    match = _COLUMN.match(part)
    if match is None:
        return None
    rest = re.sub(r"\s+", " ", match["rest"].decode("latin-1")).strip()
    kind = _TYPE.match(rest)
    declared = ""
    if kind and kind["word"].upper() not in {
        "PRIMARY",
        "NOT",
        "NULL",
        "DEFAULT",
        "UNIQUE",
        "REFERENCES",
        "CHECK",
        "AS",
    }:
        declared = "".join([kind["word"], kind["more"], kind["size"] or "", kind["after"], kind["array"] or ""])
    return bare(match["name"]).decode(encoding, "replace"), declared.lower().strip()


def _is_typed(part: bytes) -> bool:
    """Whether a part that begins like a constraint is a column of that name, such as `key text`."""
    return bool(
        re.match(
            rb"(?:KEY|INDEX|LIKE|CHECK)\s+(?:INT|INTEGER|BIGINT|VARCHAR|TEXT|CHAR|NUMERIC|DATE)\b", part, re.IGNORECASE
        )
    )
