//! The text form: parser and printer. Stable and versioned; pages in decimal or `0x` hex, one
//! operation a line, `#` begins a comment anywhere, blank lines mean nothing.
//!
//! The words of the operations are not here but in [`OPERATIONS`].

use std::fmt;
use std::str::FromStr;

use super::op::{Arg, Args, OPERATIONS, Op, Operation, row_of};
use super::{PAGE_LIMIT, Trace};
use crate::rmap::{Fail, FailError, MAX_PROCESSES};

/// The version of the text form that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// What a first line begins with that says a version.
const HEADER: &str = "# rmap-diff trace ";

/// Most characters of a word that an error repeats.
const FOUND_MAX: usize = 40;

/// A text that is no trace: where, what was found, what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: found {found}, {wanted}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What was found: a quoted word, or in words.
    pub found: String,
    /// What was expected there, or the rule that was broken, in words.
    pub wanted: String,
}

/// Parses the text form. Takes time linear in the text.
///
/// # Errors
/// The first malformed place.
pub fn parse(text: &str) -> Result<Trace, ParseError> {
    let mut ops = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let mut words = Words { line, number: index + 1, at: 0 };
        if index == 0 {
            words.check_version()?;
        }
        if let Some(op) = words.op()? {
            ops.push(op);
        }
    }
    Ok(Trace { ops })
}

/// Parses the text form as a file holds it.
///
/// # Errors
/// The first malformed place, or the first one that is not UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Trace, ParseError> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return parse(text),
        Err(error) => error,
    };
    let (valid, rest) = bytes.split_at(error.valid_up_to());
    let valid = String::from_utf8_lossy(valid);
    let last = valid.rsplit('\n').next().unwrap_or("");
    Err(ParseError {
        line: valid.matches('\n').count() + 1,
        column: last.chars().count() + 1,
        found: rest.first().map_or_else(String::new, |byte| format!("the byte {byte:#04x}")),
        wanted: "expected UTF-8 text".into(),
    })
}

/// How each operation is written, one a line, for a help text.
pub fn help() -> String {
    let mut text = String::new();
    for operation in &OPERATIONS {
        text.push_str(&format!("{:<14} {}\n", operation.usage(), operation.about));
    }
    text.push_str(
        "p, q are p0 to p15; A, B page numbers, decimal or 0x hex, B exclusive. fail=2 at the end of a line lets the\n\
         2nd allocation attempt of the operation fail; fail=1,3 several; fail=2+ the 2nd and all later ones.\n",
    );
    text
}

/// The words of one line.
struct Words<'a> {
    line: &'a str,
    /// Line, from 1.
    number: usize,
    /// Where in the line the next word is looked for, in bytes.
    at: usize,
}

/// A word and where it stands.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    /// In bytes from the beginning of the line.
    at: usize,
}

impl<'a> Word<'a> {
    /// What follows the first `len` bytes, which are whole characters.
    fn after(self, len: usize) -> Word<'a> {
        Word { text: &self.text[len..], at: self.at + len }
    }
}

impl<'a> Words<'a> {
    /// The next word; none at the end of the line or at a comment.
    fn peek(&self) -> Option<Word<'a>> {
        let bytes = self.line.as_bytes();
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
        let at = self.at + bytes[self.at..].iter().take_while(|byte| blank(byte)).count();
        let len = bytes[at..].iter().take_while(|byte| !blank(byte) && **byte != b'#').count();
        (len > 0).then(|| Word { text: &self.line[at..at + len], at })
    }

    /// Takes the next word.
    fn next(&mut self) -> Option<Word<'a>> {
        let word = self.peek()?;
        self.at = word.at + word.text.len();
        Some(word)
    }

    fn error(&self, word: Word<'_>, wanted: impl Into<String>) -> ParseError {
        let mut found: String = word.text.chars().take(FOUND_MAX).collect();
        if found.len() < word.text.len() {
            found.push('…');
        }
        let found = if found.is_empty() { "nothing".into() } else { format!("{found:?}") };
        ParseError { line: self.number, column: self.line[..word.at].chars().count() + 1, found, wanted: wanted.into() }
    }

    fn end_of_line(&self, wanted: String) -> ParseError {
        let code = self.line.split('#').next().unwrap_or("").trim_end();
        let column = code.chars().count() + 1;
        ParseError { line: self.number, column, found: "the end of the line".into(), wanted }
    }

    /// A header of another version is an error; no header is fine.
    fn check_version(&self) -> Result<(), ParseError> {
        let Some(version) = self.line.strip_prefix(HEADER) else {
            return Ok(());
        };
        let word = Word { text: version.trim_end(), at: HEADER.len() };
        match word.text.strip_prefix('v').and_then(|v| v.parse::<u32>().ok()) {
            Some(FORMAT_VERSION) => Ok(()),
            _ => Err(self.error(word, format!("expected v{FORMAT_VERSION}, the only version known here"))),
        }
    }

    /// The operation of the line, if it holds one.
    fn op(&mut self) -> Result<Option<Op>, ParseError> {
        let Some(keyword) = self.next() else {
            return Ok(None);
        };
        let Some(row) = row_of(keyword.text) else {
            let known = OPERATIONS.each_ref().map(|operation| operation.keyword).join(", ");
            return Err(self.error(keyword, format!("expected an operation ({known})")));
        };
        let operation = &OPERATIONS[row];
        let mut args = Args::default();
        for &arg in operation.args {
            self.arg(operation, arg, &mut args)?;
        }
        let fail = self.fail(operation)?;
        Ok(Some(Op { kind: (operation.build)(args), fail }))
    }

    fn arg(&mut self, operation: &Operation, arg: Arg, args: &mut Args) -> Result<(), ParseError> {
        let Some(word) = self.next() else {
            return Err(self.end_of_line(format!("expected {} (\"{}\")", arg.usage(), operation.usage())));
        };
        match arg {
            Arg::Process | Arg::Leaver => args.p = self.process(word)?,
            Arg::NewProcess => args.q = self.process(word)?,
            Arg::MappedPage => args.a = self.page(word)?,
            Arg::FreeRange | Arg::MappedRange => {
                let Some((start, _)) = word.text.split_once("..") else {
                    return Err(self.error(word, "expected a range of pages, such as 0x10..0x18"));
                };
                let end = word.after(start.len() + "..".len());
                args.a = self.page(Word { text: start, at: word.at })?;
                args.b = self.page(end)?;
                if args.b < args.a {
                    return Err(self.error(end, "the end must not lie before the start"));
                }
            }
        }
        Ok(())
    }

    fn process(&self, word: Word<'_>) -> Result<u8, ParseError> {
        let number = word.text.strip_prefix('p').and_then(|digits| digits_of(digits, 10));
        match number {
            Some(p) if p < MAX_PROCESSES as u64 => Ok(p as u8),
            _ => Err(self.error(word, format!("expected a process, p0 to p{}", MAX_PROCESSES - 1))),
        }
    }

    fn page(&self, word: Word<'_>) -> Result<u64, ParseError> {
        let number = match word.text.strip_prefix("0x") {
            Some(digits) => digits_of(digits, 16),
            None => digits_of(word.text, 10),
        };
        match number {
            Some(page) if page < PAGE_LIMIT => Ok(page),
            _ => Err(self.error(word, format!("expected a page number below {PAGE_LIMIT:#x}, decimal or 0x hex"))),
        }
    }

    /// What may follow the arguments: `fail=`, and then nothing.
    fn fail(&mut self, operation: &Operation) -> Result<Fail, ParseError> {
        let mut fail = Fail::NEVER;
        let mut wanted = "expected fail= or the end of the line";
        if let Some(list) = self.peek().filter(|word| word.text.starts_with("fail=")).map(|word| word.after(5)) {
            self.next();
            fail = list.text.parse().map_err(|error: FailError| self.error(list, error.to_string()))?;
            wanted = "expected the end of the line";
        }
        match self.peek() {
            Some(word) => Err(self.error(word, format!("{wanted} after \"{}\"", operation.usage()))),
            None => Ok(fail),
        }
    }
}

/// A number in plain digits: no sign, not empty, not beyond a u64.
fn digits_of(digits: &str, radix: u32) -> Option<u64> {
    let plain = digits.chars().all(|c| c.is_digit(radix));
    if plain { u64::from_str_radix(digits, radix).ok() } else { None }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (row, args) = self.kind.split();
        let operation = &OPERATIONS[row];
        f.write_str(operation.keyword)?;
        for arg in operation.args {
            match arg {
                Arg::Process | Arg::Leaver => write!(f, " p{}", args.p)?,
                Arg::NewProcess => write!(f, " p{}", args.q)?,
                Arg::MappedPage => write!(f, " {:#x}", args.a)?,
                Arg::FreeRange | Arg::MappedRange => write!(f, " {:#x}..{:#x}", args.a, args.b)?,
            }
        }
        if !self.fail.is_never() {
            write!(f, " fail={}", self.fail)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for super::OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Op::from(*self), f)
    }
}

impl fmt::Debug for super::OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ops.iter().try_for_each(|op| writeln!(f, "{op}"))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Trace {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Trace, ParseError> {
        parse(text)
    }
}

impl Trace {
    /// The text form as a file of its own: a first line that says the version, then the operations.
    pub fn to_file_text(&self) -> String {
        format!("{HEADER}v{FORMAT_VERSION}\n{self}")
    }
}

#[cfg(test)]
mod tests;
