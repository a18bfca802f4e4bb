//! The text form: parser and printer. It is stable and versioned. Each line has one operation. Pages are in decimal or `0x`
//! hex, `#` begins a comment anywhere, and blank lines are ignored. Below an operation there may be lines that say what is
//! expected after it (`text/expect.rs`).
//!
//! [`OPERATIONS`] has the words of the operations.

mod expect;
mod together;

use std::fmt;
use std::str::FromStr;

use super::args::{Arg, Args, Form};
use super::op::{Fails, HUGE_ORDER, MAX_FILES, MAX_ORDERS, MAX_PINS, Op};
use super::table::{OPERATIONS, Operation, row_of};
use super::{PAGE_LIMIT, Trace};
use rmap_seam::{Fail, FailError, MAX_PROCESSES};

/// The version of the text form that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// What a first line begins with that says a version.
const HEADER: &str = "# rmap-diff trace ";

/// Most characters of a word that an error repeats.
const FOUND_MAX: usize = 40;

/// An error in the text form of a trace.
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
    let mut trace = Trace::default();
    let mut open = None;
    for (index, line) in text.split('\n').enumerate() {
        let mut words = Words { line, number: index + 1, at: 0 };
        if index == 0 {
            words.check_version()?;
        }
        let Some(keyword) = words.next() else { continue };
        if words.section_line(keyword, &mut trace, &mut open)? {
            continue;
        }
        if expect::begins(keyword) {
            trace.expectations.push(words.expectation(keyword, trace.ops.len())?);
        } else {
            trace.ops.push(words.op(keyword)?);
        }
    }
    match open {
        Some(open) => Err(open.without_end()),
        None => Ok(trace),
    }
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

/// How each operation is written, one on each line, for a help text.
pub fn help() -> String {
    let mut text = String::new();
    for operation in &OPERATIONS {
        text.push_str(&format!("{:<52} {}\n", operation.usage(), operation.about));
    }
    text.push_str(
        "p, q are p0 to p15; A, B, C page numbers, decimal or 0x hex, the B of A..B exclusive; N a number of pages, or a\n\
         file from 0 to 3; K a pin from 0 to 15. fail=2 at the end of a line lets the 2nd allocation attempt of the\n\
         operation fail; fail=1,3 several; fail=2+ the 2nd and all later ones. failnode=, after it, counts maple tree\n\
         nodes alone, failpage= frames and page tables alone. Two operations or three between \"together\" and \"end\" run\n\
         together, as tasks a, b, c; behind them \"at TASK POINT [N] [OBJECT] TASK\" says where another task goes on. \"expect[VERSIONS] p: A..B[PROPERTIES] ...\" below an operation is what p must have mapped after it.\n",
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

    /// The operation that begins with this word.
    fn op(&mut self, keyword: Word<'a>) -> Result<Op, ParseError> {
        let Some(row) = row_of(keyword.text) else {
            let known = OPERATIONS.each_ref().map(|operation| operation.keyword).join(", ");
            return Err(self.error(keyword, format!("expected an operation ({known}), or expect")));
        };
        let operation = &OPERATIONS[row];
        let mut args = Args::default();
        for &arg in operation.args {
            self.arg(operation, arg, &mut args)?;
        }
        let fails = self.fails(operation)?;
        Ok(Op::failing((operation.build)(args), &fails))
    }

    fn arg(&mut self, operation: &Operation, arg: Arg, args: &mut Args) -> Result<(), ParseError> {
        match arg.form() {
            Form::Optional(words) => {
                args.word = self.take_one_of(words).map_or(0, |place| place + 1);
                return Ok(());
            }
            Form::File => {
                if self.take_one_of(&["file"]).is_some() {
                    let word = self.wanted(operation, "the number of a file")?;
                    args.number = self.number(word, "", "a file", MAX_FILES)? + 1;
                }
                return Ok(());
            }
            Form::Order => {
                if self.take_one_of(&["huge"]).is_some() {
                    args.number = HUGE_ORDER;
                } else if self.take_one_of(&["order"]).is_some() {
                    let word = self.wanted(operation, "the order of a folio")?;
                    args.number = self.number(word, "", "an order", MAX_ORDERS)?;
                }
                return Ok(());
            }
            _ => (),
        }
        let word = self.wanted(operation, &arg.usage())?;
        match arg.form() {
            Form::First => args.p = self.number(word, "p", "a process", MAX_PROCESSES as u8)?,
            Form::Second => args.q = self.number(word, "p", "a process", MAX_PROCESSES as u8)?,
            Form::Page => args.a = self.page(word)?,
            Form::Place => args.c = self.page(word)?,
            Form::Range => (args.a, args.b) = self.range(word)?,
            Form::Count => match number_of(word.text) {
                Some(pages) if (1..PAGE_LIMIT).contains(&pages) => args.c = pages,
                _ => {
                    let wanted = format!("expected a number of pages from 1 to below {PAGE_LIMIT:#x}");
                    return Err(self.error(word, wanted));
                }
            },
            Form::Word(words) => match words.iter().position(|known| *known == word.text) {
                Some(place) => args.word = place as u8,
                None => return Err(self.error(word, format!("expected {}", words.join(" or ")))),
            },
            Form::Held(what) => args.number = self.number(word, "", what, MAX_PINS)?,
            Form::Optional(_) | Form::File | Form::Order => (),
        }
        Ok(())
    }

    /// The next word, which the operation needs.
    fn wanted(&mut self, operation: &Operation, what: &str) -> Result<Word<'a>, ParseError> {
        match self.next() {
            Some(word) => Ok(word),
            None => Err(self.end_of_line(format!("expected {what} (\"{}\")", operation.usage()))),
        }
    }

    /// Takes the next word if it is one of these, and tells which.
    fn take_one_of(&mut self, words: &[&str]) -> Option<u8> {
        let word = self.peek()?;
        let place = words.iter().position(|known| *known == word.text)?;
        self.next();
        Some(place as u8)
    }

    /// A small number behind a prefix.
    fn number(&self, word: Word<'_>, prefix: &str, what: &str, limit: u8) -> Result<u8, ParseError> {
        match word.text.strip_prefix(prefix).and_then(|digits| digits_of(digits, 10)) {
            Some(number) if number < u64::from(limit) => Ok(number as u8),
            _ => Err(self.error(word, format!("expected {what}, {prefix}0 to {prefix}{}", limit - 1))),
        }
    }

    fn page(&self, word: Word<'_>) -> Result<u64, ParseError> {
        match number_of(word.text) {
            Some(page) if page < PAGE_LIMIT => Ok(page),
            _ => Err(self.error(word, format!("expected a page number below {PAGE_LIMIT:#x}, decimal or 0x hex"))),
        }
    }

    /// A first page and an end that does not lie before it.
    fn range(&self, word: Word<'_>) -> Result<(u64, u64), ParseError> {
        let Some((start, _)) = word.text.split_once("..") else {
            return Err(self.error(word, "expected a range of pages, such as 0x10..0x18"));
        };
        let last = word.after(start.len() + "..".len());
        let (start, end) = (self.page(Word { text: start, at: word.at })?, self.page(last)?);
        if end < start {
            return Err(self.error(last, "the end must not lie before the start"));
        }
        Ok((start, end))
    }

    /// What may follow the arguments: `fail=`, then `failnode=` or `failpage=`, and then nothing.
    fn fails(&mut self, operation: &Operation) -> Result<Fails, ParseError> {
        let mut fails = [Fail::NEVER; 3];
        let mut wanted = "expected fail=, failnode=, failpage= or the end of the line";
        for (fail, (key, then)) in fails.iter_mut().zip([
            ("fail=", "expected failnode=, failpage= or the end of the line"),
            ("failnode=", "expected the end of the line"),
            ("failpage=", "expected the end of the line"),
        ]) {
            if let Some(list) = self.peek().filter(|word| word.text.starts_with(key)).map(|word| word.after(key.len()))
            {
                self.next();
                *fail = list.text.parse().map_err(|error: FailError| self.error(list, error.to_string()))?;
                wanted = then;
                if key == "failnode=" {
                    // The byte form has room for one of the two.
                    break;
                }
            }
        }
        match self.peek() {
            Some(word) if word.text.starts_with("failpage=") && !fails[1].is_never() => {
                Err(self.error(word, "an operation takes failnode= or failpage=, not both"))
            }
            Some(word) => Err(self.error(word, format!("{wanted} after \"{}\"", operation.usage()))),
            None => {
                let [alloc, node, page] = fails;
                Ok(Fails { alloc, node, page })
            }
        }
    }
}

/// A number, decimal or `0x` hex.
fn number_of(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => digits_of(digits, 16),
        None => digits_of(text, 10),
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
            match arg.form() {
                Form::First => write!(f, " p{}", args.p)?,
                Form::Second => write!(f, " p{}", args.q)?,
                Form::Page => write!(f, " {:#x}", args.a)?,
                Form::Range => write!(f, " {:#x}..{:#x}", args.a, args.b)?,
                Form::Place => write!(f, " {:#x}", args.c)?,
                Form::Count => write!(f, " {}", args.c)?,
                Form::Word(words) => write!(f, " {}", words[usize::from(args.word)])?,
                Form::Optional(words) if args.word > 0 => write!(f, " {}", words[usize::from(args.word) - 1])?,
                Form::File if args.number > 0 => write!(f, " file {}", args.number - 1)?,
                Form::Order if args.number == HUGE_ORDER => f.write_str(" huge")?,
                Form::Order if args.number > 0 => write!(f, " order {}", args.number)?,
                Form::Optional(_) | Form::File | Form::Order => (),
                Form::Held(_) => write!(f, " {}", args.number)?,
            }
        }
        if !self.fail.is_never() {
            write!(f, " fail={}", self.fail)?;
        }
        if !self.fail_node.is_never() {
            write!(f, " failnode={}", self.fail_node)?;
        }
        if !self.fail_page.is_never() {
            write!(f, " failpage={}", self.fail_page)?;
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
        for (operation, op) in (1..).zip(&self.ops) {
            let at = operation - 1;
            let section = self.section_of(at);
            if section.is_some_and(|section| section.first == at) {
                writeln!(f, "together")?;
            }
            writeln!(f, "{}{op}", if section.is_some() { "  " } else { "" })?;
            if let Some(section) = section.filter(|section| section.range().end == operation) {
                section.switches.iter().try_for_each(|switch| writeln!(f, "  {switch}"))?;
                writeln!(f, "end")?;
            }
            self.expectations_after(operation).iter().try_for_each(|expectation| writeln!(f, "{expectation}"))?;
        }
        Ok(())
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
    /// The text of a trace file: a first line with the version of the form, then the operations and the expectations.
    pub fn to_file_text(&self) -> String {
        format!("{HEADER}v{FORMAT_VERSION}\n{self}")
    }
}

#[cfg(test)]
mod tests;
