//! The grammar of a frame's head, on heads that are whole: no parser here ever
//! asks for more, and none sees a body.
//!
//! Rules are those of STOMP 1.2, Augmented BNF, and two liberties: CR LF ends a
//! line in every version, and a value may contain a colon (1.0 has no way to
//! escape it, and many clients of later versions do not).

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use nom::bytes::complete::tag;
use nom::combinator::{map_res, opt};
use nom::error::{ErrorKind, ParseError};
use nom::sequence::{separated_pair, terminated};
use nom::{IResult, Input, Offset, Parser};

use crate::escape::unescape;
use crate::{Command, DecodeError, Headers, Version};

/// `head = command EOL *( header EOL )`
pub(crate) fn head(version: Version, bytes: &[u8], count: usize) -> Result<(Command, Headers), DecodeError> {
    // STOMP 1.2, Value Encoding: "The commands and headers are encoded in UTF-8". What is
    // not is refused here and never reaches another peer.
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::HeaderNotUtf8)?;
    let (lines, command) = terminated(command, eol).parse(text).map_err(flaw)?;
    let spelling = Spelling::of(version, command);
    let headers = headers(lines, count, spelling).map_err(flaw)?;
    Ok((command, headers))
}

/// `*( header EOL )`: one copy of all of it. Only what does not stand for itself is written anew behind that.
fn headers(lines: &str, count: usize, spelling: Spelling) -> Result<Headers, nom::Err<Flaw>> {
    let all_plain = is_plain(lines);
    let mut headers = Headers::over(lines, count);
    let mut rest = lines;
    while !rest.is_empty() {
        let (next, (name, value)) = terminated(header, eol).parse(rest)?;
        if all_plain || (is_plain(name) && is_plain(value)) {
            let at = |part: &str| (lines.offset(part), lines.offset(part) + part.len());
            headers.mark(at(name), at(value));
        } else {
            headers.push(&spelling.read(name)?, &spelling.read(value)?);
        }
        rest = next;
    }
    if spelling.trimmed {
        headers.trim_values();
    }
    Ok(headers)
}

/// Whether a text stands for itself in every version.
#[inline]
fn is_plain(text: &str) -> bool {
    memchr2(b'\\', b'\r', text.as_bytes()).is_none()
}

/// `command`, on a line by itself, without its end.
pub(super) fn command_line(line: &[u8]) -> Result<Command, DecodeError> {
    let line = std::str::from_utf8(line).map_err(|_| DecodeError::unknown_command(&String::from_utf8_lossy(line)))?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    command(line).map(|(_, command)| command).map_err(flaw)
}

/// `command = client-command | server-command`
fn command(input: &str) -> IResult<&str, Command, Flaw> {
    map_res(up_to_eol, |word| Command::from_word(word).ok_or_else(|| DecodeError::unknown_command(word))).parse(input)
}

/// `header = header-name ":" header-value`
#[inline]
fn header(input: &str) -> IResult<&str, (&str, &str), Flaw> {
    separated_pair(header_name, tag(":"), header_value).parse(input)
}

/// `header-name = 1*<any OCTET except CR or LF or ":">`
#[inline]
fn header_name(input: &str) -> IResult<&str, &str, Flaw> {
    match memchr2(b':', b'\n', input.as_bytes()) {
        Some(0) if input.starts_with(':') => Err(nom::Err::Failure(Flaw(DecodeError::HeaderNameEmpty))),
        Some(length) if input.as_bytes()[length] == b':' => Ok(input.take_split(length)),
        _ => Err(nom::Err::Failure(Flaw(DecodeError::HeaderWithoutColon))),
    }
}

/// `header-value = *<any OCTET except CR or LF>`
#[inline]
fn header_value(input: &str) -> IResult<&str, &str, Flaw> {
    up_to_eol(input)
}

/// `EOL = [CR] LF`
#[inline]
fn eol(input: &str) -> IResult<&str, (), Flaw> {
    (opt(tag("\r")), tag("\n")).map(drop).parse(input)
}

/// `*<any OCTET but those of the next EOL>`
#[inline]
fn up_to_eol(input: &str) -> IResult<&str, &str, Flaw> {
    let end = memchr(b'\n', input.as_bytes()).unwrap_or(input.len());
    let line = input[..end].strip_suffix('\r').unwrap_or(&input[..end]);
    Ok(input.take_split(line.len()))
}

/// How a frame's headers are written.
#[derive(Clone, Copy)]
struct Spelling {
    version: Version,
    escaped: bool,
    trimmed: bool,
}

impl Spelling {
    fn of(version: Version, command: Command) -> Spelling {
        let old = version == Version::V1_0;
        Spelling { version, escaped: !old && command.escapes(), trimmed: old && command.escapes() }
    }

    fn read(self, written: &str) -> Result<Cow<'_, str>, nom::Err<Flaw>> {
        // A CR that ends no line: STOMP 1.2 excludes it from names and values,
        // earlier versions do not.
        if self.version == Version::V1_2 && memchr(b'\r', written.as_bytes()).is_some() {
            return Err(nom::Err::Failure(Flaw(DecodeError::HeaderCarriageReturn)));
        }
        if !self.escaped {
            return Ok(Cow::Borrowed(written));
        }
        let mut meant = String::with_capacity(written.len());
        match unescape(&mut meant, self.version, written) {
            Ok(()) => Ok(Cow::Owned(meant)),
            Err(_) => Err(nom::Err::Failure(Flaw(DecodeError::HeaderEscapeUndefined { version: self.version }))),
        }
    }
}

/// What is wrong with a head, for nom to carry.
#[derive(Debug)]
struct Flaw(DecodeError);

impl ParseError<&str> for Flaw {
    fn from_error_kind(_: &str, _: ErrorKind) -> Flaw {
        Flaw(DecodeError::HeadCutShort)
    }

    fn append(_: &str, _: ErrorKind, other: Flaw) -> Flaw {
        other
    }
}

impl nom::error::FromExternalError<&str, DecodeError> for Flaw {
    fn from_external_error(_: &str, _: ErrorKind, error: DecodeError) -> Flaw {
        Flaw(error)
    }
}

fn flaw(error: nom::Err<Flaw>) -> DecodeError {
    match error {
        nom::Err::Error(Flaw(error)) | nom::Err::Failure(Flaw(error)) => error,
        nom::Err::Incomplete(_) => unreachable!("complete parsers never ask for more"),
    }
}
