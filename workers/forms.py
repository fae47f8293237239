"""Reads the forms that browsers send: url-encoded and multipart, with files spooled to disk.

It checks the form's shape and size only; what a field may hold is the application's business.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.errors import ChannelsBoardError, shortened

_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Bounds of one form.

    200 fields and 20 files are more than any page of ours has; a text field's megabyte is what
    one message of the layer could carry; files above 512 KiB go to disk, as bodies above that
    size do not travel inline either.
    """

    fields: int = 200
    field_bytes: int = 1024 * 1024
    files: int = 20
    file_bytes: int = 64 * 1024 * 1024
    memory_bytes: int = 512 * 1024


class BadForm(ChannelsBoardError):
    """A form that cannot be read.

    `field` names the field at fault (`""` for the form as a whole), `message` is for the person
    who sent it, `status` is 400, 413 (too large) or 415 (not a form). `fields` are the text fields
    as far as they could be read, to be shown again: what is no UTF-8 stands there as U+FFFD.
    """

    def __init__(
        self,
        field: str,
        message: str,
        status: int = 400,
        fields: Mapping[str, list[str]] | None = None,
    ) -> None:
        super().__init__(f"field {field!r}: {message}" if field else message)
        self.field = field
        self.message = message
        self.status = status
        self.fields = fields or {}


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file of a form; `file` stands at its start and ends with the request.

    `filename` and `content_type` are what the client claims: the last part of the path it named,
    without control characters, and any text.
    """

    filename: str
    content_type: str
    size: int
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Form:
    """The fields (each name with all its values, in order) and files of one form."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, UploadedFile] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field, the default when the form has none of that name."""
        values = self.fields.get(name)
        return values[0] if values else default

    def getlist(self, name: str) -> list[str]:
        """All values of a field, in order."""
        return list(self.fields.get(name, ()))

    def close(self) -> None:
        """Give up the spooled files."""
        for uploaded in self.files.values():
            uploaded.file.close()


def read_form(content_type: str, body: bytes, limits: FormLimits | None = None) -> Form:
    """The form in `body`; an empty body without a type is an empty form.

    Raises: BadForm. Source: RFC 7578 (multipart), the URL standard (url-encoded).
    """
    limits = limits or FormLimits()
    kind, options = parse_options_header(content_type)
    charset = options.get(b"charset", b"utf-8").lower()
    if charset not in (b"utf-8", b"utf8"):
        raise BadForm("", f"expected a form in UTF-8, got {charset.decode('latin-1')}", 415)
    if kind == b"application/x-www-form-urlencoded":
        return _url_encoded(body, limits)
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 70:
            raise BadForm("", "expected a boundary of 1 to 70 characters in Content-Type")
        return _multipart(boundary, body, limits)
    if not kind and not body:
        return Form()
    raise BadForm("", f"expected a form, got content of type {shortened(content_type)}", 415)


def _url_encoded(body: bytes, limits: FormLimits) -> Form:
    fields = _Fields()
    pairs = [pair for pair in body.split(b"&") if pair] if body else []
    if len(pairs) > limits.fields:
        raise BadForm("", f"expected at most {limits.fields} fields, got {len(pairs)}", 413)
    for pair in pairs:
        raw_name, _, raw_value = pair.replace(b"+", b" ").partition(b"=")
        name = _field_name(unquote_to_bytes(raw_name))
        _check_field_size(name, len(raw_value), 3 * limits.field_bytes)
        value = unquote_to_bytes(raw_value)
        _check_field_size(name, len(value), limits.field_bytes)
        fields.add(name, value)
    return Form(fields.checked())


def _multipart(boundary: bytes, body: bytes, limits: FormLimits) -> Form:
    parts = _Parts(limits)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_name,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_headers_finished": parts.headers_finished,
                "on_part_data": parts.content,
                "on_part_end": parts.end,
                "on_end": parts.form_end,
            },
        )
        parser.write(body)
        parser.finalize()
        if not parts.is_whole:
            raise BadForm("", "the form ends in the middle")
        return Form(parts.fields.checked(), parts.files)
    except FormParserError as error:
        parts.close()
        raise BadForm("", f"not a multipart form: {error}") from error
    except BaseException:
        parts.close()
        raise


class _Fields:
    """Gathers text fields; the first that is no UTF-8 is told at the end, with all that came."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self._problem: tuple[str, int] | None = None

    def add(self, name: str, raw: bytes) -> None:
        """One more value of a field."""
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            value = raw.decode("utf-8", "replace")
            self._problem = self._problem or (name, raw[error.start])
        self._values.setdefault(name, []).append(value)

    def checked(self) -> dict[str, list[str]]:
        """All fields. Raises: BadForm, with them, when one is no UTF-8."""
        if self._problem is not None:
            name, byte = self._problem
            message = f"expected text in UTF-8, got byte {byte:#04x}"
            raise BadForm(name, message, fields=self._values)
        return self._values


class _Parts:
    """Gathers the parts of a multipart form from the parser's calls."""

    def __init__(self, limits: FormLimits) -> None:
        self.fields = _Fields()
        self.files: dict[str, UploadedFile] = {}
        self.is_whole = False
        self._limits = limits
        self._parts = 0
        self._names: set[str] = set()
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._name = ""
        self._filename: str | None = None
        self._size = 0
        self._value = bytearray()
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.fields + self._limits.files:
            raise BadForm("", f"expected at most {self._limits.fields} fields", 413)
        self._headers = {}
        self._header = (bytearray(), bytearray())

    def header_name(self, block: bytes, start: int, end: int) -> None:
        self._header[0].extend(block[start:end])

    def header_value(self, block: bytes, start: int, end: int) -> None:
        self._header[1].extend(block[start:end])

    def header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise BadForm("", "expected a part with Content-Disposition: form-data and a name")
        self._name = _field_name(options[b"name"])
        self._size = 0
        self._value = bytearray()
        self._filename = None
        if b"filename" in options:
            self._filename = _file_name(options[b"filename"])
            if len(self.files) >= self._limits.files:
                raise BadForm(self._name, f"expected at most {self._limits.files} files", 413)
            self._file = _spool(self._limits.memory_bytes)

    def content(self, block: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._file is not None:
            _check_field_size(self._name, self._size, self._limits.file_bytes)
            self._file.write(memoryview(block)[start:end])
        else:
            _check_field_size(self._name, self._size, self._limits.field_bytes)
            self._value.extend(block[start:end])

    def end(self) -> None:
        if self._filename is None:
            self.fields.add(self._name, bytes(self._value))
            return
        assert self._file is not None
        spooled, self._file = self._file, None
        # A file field that was left empty arrives as a nameless file without content.
        if (not self._filename and not self._size) or self._name in self.files:
            spooled.close()
            return
        spooled.seek(0)
        kind = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
        self.files[self._name] = UploadedFile(self._filename, kind, self._size, spooled)

    def form_end(self) -> None:
        self.is_whole = True

    def close(self) -> None:
        for uploaded in self.files.values():
            uploaded.file.close()
        if self._file is not None:
            self._file.close()


def _spool(memory_bytes: int) -> BinaryIO:
    file = tempfile.SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115 - the form closes it
    return cast(BinaryIO, file)


def _check_field_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise BadForm(name, f"expected at most {limit} bytes", 413)


def _field_name(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadForm("", f"expected a field name in UTF-8, got {shortened(raw)}") from error


def _file_name(raw: bytes) -> str:
    name = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return _UNSEEN.sub("", name)[:255]
