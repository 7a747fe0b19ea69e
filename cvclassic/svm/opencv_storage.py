"""What `cv::FileStorage` writes, as a tree: XML, YAML and JSON, each also packed by gzip, read within bounds.

A tree is a dict by name, a list, or a text; lists of numbers stay one text, which `numbers` reads. Only what OpenCV
itself writes is read: no document types and entities in XML, no anchors and aliases in YAML. `cv2.FileStorage` is not
used: some 20 bytes let it run for ever, and a deep nesting ends the process.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

import numpy as np

from cvclassic.errors import InputError

Tree = dict[str, "Tree"] | list["Tree"] | str

LARGEST_TEXT = 200_000_000  # bytes, unpacked; 30,000 support vectors of 324 features have 120 million
MOST_NODES = 1_000_000  # of a tree; each support vector is one
LONGEST_LEAF = 20_000_000  # characters; each number takes twenty times its memory while it is read
DEEPEST = 12  # OpenCV's models have six levels
LONGEST_NAME = 200  # characters

_NUMBERS = re.compile(r"[\s\d.eE+-]*", re.ASCII)
_FLAT_LIST = re.compile(r"\[([^\[\]{}\"']*)\]")
_QUOTED = re.compile(rf'"([^"\\\n]{{0,{LONGEST_NAME}}})"')
_PLAIN = re.compile(rf"[^\s,\[\]{{}}\"']{{1,{LONGEST_NAME}}}")
_FLOW_NAME = re.compile(rf'"([^"\\\n]{{0,{LONGEST_NAME}}})"\s*:|([A-Za-z_][\w-]{{0,{LONGEST_NAME}}}):', re.ASCII)
_BLOCK_NAME = re.compile(
    rf'("?)([A-Za-z_][\w .-]{{0,{LONGEST_NAME}}})\1:[ \t]*(?:!!?<?[\w:-]{{0,99}}>?)?[ \t]*', re.ASCII
)
_SPACE = re.compile(r"\s*")


class StorageError(ValueError):
    """A text that OpenCV would not have written; the message says what is wrong with it."""


def read_storage(path: Path) -> Tree:
    """The tree in a file.

    Raises
    ------
    InputError
        If there is no such file, or it can't be opened.
    StorageError
        If it is damaged, too large, or none of OpenCV's.
    """
    if not path.is_file():
        raise InputError(f"There is no model file at {path}.")
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise InputError(f"The model file {path} can't be opened: {error.strerror}.") from error
    if content.startswith(b"\x1f\x8b"):
        content = _unpacked(content)
    if len(content) > LARGEST_TEXT:
        raise StorageError(f"has more than {LARGEST_TEXT:,} bytes")
    if not content.isascii():
        raise StorageError("holds bytes that are no ASCII; OpenCV writes no others into a model")
    if content.startswith(b"<?xml"):
        return _Xml().read(content)
    text = content.decode("ascii")
    if text.startswith("%YAML"):
        return _Yaml(text).read()
    if text.startswith("{"):
        return _Flow(text).read()
    raise StorageError("begins like none of OpenCV's XML, YAML and JSON")


def numbers(leaf: Tree) -> np.ndarray:
    """The numbers of a leaf, (n,) float64, all of them finite."""
    if len(leaf) > LONGEST_LEAF:
        raise StorageError(f"holds a list of numbers that is longer than {LONGEST_LEAF:,} characters")
    if not isinstance(leaf, str) or not _NUMBERS.fullmatch(leaf):
        raise StorageError(f"holds {_shown(leaf)} where numbers should be")
    try:
        found = np.array(leaf.split(), np.float64)
    except ValueError:
        raise StorageError(f"holds {_shown(leaf)} where numbers should be") from None
    if not np.isfinite(found).all():
        raise StorageError("holds numbers that are not finite")
    return found


def _shown(leaf: Tree) -> str:
    return repr(leaf[:40]) if isinstance(leaf, str) else f"a {type(leaf).__name__}"


def _unpacked(content: bytes) -> bytes:
    """What gzip packed, one byte more than is allowed at most."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(content, LARGEST_TEXT + 1)
    except zlib.error as error:
        raise StorageError(f"is packed by gzip, and damaged ({error})") from None
    if len(found) <= LARGEST_TEXT and not unpacker.eof:
        raise StorageError("is packed by gzip, and cut off")
    return found


class _Nodes:
    """Counts what was read, so that a small file makes no large tree."""

    def __init__(self):
        self.n = 0

    def one_more(self, depth: int) -> None:
        self.n += 1
        if self.n > MOST_NODES or depth > DEEPEST:
            raise StorageError(f"has more than {MOST_NODES:,} values, or more than {DEEPEST} levels of them")


class _Xml:
    """Elements below the root; those called `_` are a list."""

    def __init__(self):
        self._nodes = _Nodes()
        self._open: list[tuple[str, list[tuple[str, Tree]], list[str]]] = []
        self._root: Tree = ""

    def read(self, content: bytes) -> Tree:
        parser = expat.ParserCreate("us-ascii")  # whatever the file says
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = lambda text: self._open[-1][2].append(text)
        parser.StartDoctypeDeclHandler = self._refuse
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise StorageError(f"is no whole XML ({error})") from None
        return self._root

    def _refuse(self, *_: object) -> None:
        raise StorageError("has a document type, which OpenCV never writes")

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._nodes.one_more(len(self._open))
        self._open.append((name, [], []))

    def _end(self, _: str) -> None:
        name, children, texts = self._open.pop()
        text = "".join(texts)
        node: Tree = text.strip()
        if children:
            if node:
                raise StorageError(f"has a text beside elements in <{name[:40]}>")
            items = [child for each, child in children if each == "_"]
            node = items if len(items) == len(children) else _named(children)
        if self._open:
            self._open[-1][1].append((name, node))
        else:
            self._root = node


def _named(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise StorageError("has two values of one name")
    return found


class _Flow:
    """JSON, and what YAML writes in brackets."""

    def __init__(self, text: str):
        self.text, self.place, self.nodes = text, 0, _Nodes()

    def read(self) -> Tree:
        found = self.value(0)
        self._skip_space()
        if self.place < len(self.text):
            raise self.error("something stands behind the end")
        return found

    def value(self, depth: int) -> Tree:
        self.nodes.one_more(depth)
        self._skip_space()
        first = self.text[self.place : self.place + 1]
        if first == "{":
            return _named(list(self._pairs(depth)))
        if first == "[":
            flat = _FLAT_LIST.match(self.text, self.place)
            if flat is None:
                return list(self._items(depth))
            self.place = flat.end()
            return flat[1].replace(",", " ")
        return self._scalar()

    def error(self, why: str) -> StorageError:
        return StorageError(f"is damaged in line {self.text.count(chr(10), 0, self.place) + 1:,}: {why}")

    def _pairs(self, depth: int) -> Iterator[tuple[str, Tree]]:
        for _ in self._entries("}"):
            name = _FLOW_NAME.match(self.text, self.place)
            if name is None:
                raise self.error("a name and a colon should stand there")
            self.place = name.end()
            yield name[1] or name[2] or "", self.value(depth + 1)

    def _items(self, depth: int) -> Iterator[Tree]:
        for _ in self._entries("]"):
            yield self.value(depth + 1)

    def _entries(self, end: str) -> Iterator[None]:
        """Step over brackets and commas, around what the caller reads at each step."""
        self.place += 1
        self._skip_space()
        while not self.text.startswith(end, self.place):
            yield
            self._skip_space()
            if self.text.startswith(",", self.place):
                self.place += 1
                self._skip_space()
            elif not self.text.startswith(end, self.place):
                raise self.error(f"a comma or {end} should stand there")
        self.place += 1

    def _scalar(self) -> str:
        found = _QUOTED.match(self.text, self.place)
        if found is None and (found := _PLAIN.match(self.text, self.place)) is None:
            raise self.error("a value should stand there")
        self.place = found.end()
        return found[found.lastindex or 0]

    def _skip_space(self) -> None:
        self.place = _SPACE.match(self.text, self.place).end()


class _Yaml(_Flow):
    """Names and list dashes by their indentation, and values in brackets behind them."""

    def read(self) -> Tree:
        while self.text.startswith(("%", "---"), self.place):
            self.place = self._line_end() + 1
        found = self._block(0, 0)
        if self._next() is not None:
            raise self.error("a line is indented otherwise than those around it")
        return found

    def _block(self, least: int, depth: int) -> Tree:
        """A dict or a list of lines that are indented alike, by `least` spaces or more; an empty text without any."""
        found = self._next()
        if found is None or found[0] < least:
            return ""
        self.nodes.one_more(depth)
        indent, place = found
        if self._is_dash(place):
            return list(self._listed(indent, depth))
        return _named(list(self._mapped(indent, depth)))

    def _listed(self, indent: int, depth: int) -> Iterator[Tree]:
        while (found := self._next()) and found[0] == indent and self._is_dash(found[1]):
            self.place = found[1] + 1
            yield self._behind(indent, depth)

    def _mapped(self, indent: int, depth: int) -> Iterator[tuple[str, Tree]]:
        while (found := self._next()) and found[0] == indent and not self._is_dash(found[1]):
            self.place = found[1]
            name = _BLOCK_NAME.match(self.text, self.place)
            if name is None:
                raise self.error("a name and a colon should stand there")
            self.place = name.end()
            yield name[2], self._behind(indent, depth)

    def _behind(self, indent: int, depth: int) -> Tree:
        """What stands behind a dash, or a name and its colon: in the same line, or in the lines below."""
        while self.text.startswith((" ", "\t"), self.place):
            self.place += 1
        end = self._line_end()
        rest = self.text[self.place : min(end, self.place + LONGEST_NAME)].strip()
        if not rest or rest.startswith("#"):
            self.place = end + 1
            return self._block(indent + 1, depth + 1)
        if rest[0] in "{[":
            found = self.value(depth + 1)
            if self.text[self.place : (end := self._line_end())].strip():
                raise self.error("something stands behind the end of a value")
        else:
            self.nodes.one_more(depth)
            found = rest.strip('"')
        self.place = end + 1
        return found

    def _next(self) -> tuple[int, int] | None:
        """Indentation and place of the next line that holds something; None at the end of the document."""
        while self.place < len(self.text):
            start = self.place
            while self.text.startswith(" ", self.place):
                self.place += 1
            if self.text.startswith(("---", "..."), start):
                return None
            first = self.text[self.place : self.place + 1]
            if first not in ("", "\n", "\r", "#"):
                found, self.place = self.place, start
                return found - start, found
            self.place = self._line_end() + 1
        return None

    def _is_dash(self, place: int) -> bool:
        return self.text.startswith("-", place) and self.text[place + 1 : place + 2] in ("", " ", "\n", "\r")

    def _line_end(self) -> int:
        end = self.text.find("\n", self.place)
        return len(self.text) if end < 0 else end
