//! The lines that say what is expected: `expect[VERSIONS] pN: A..B[PROPERTIES] ...`.

use super::{ParseError, Word, Words};
use crate::expect::{Expectation, ExpectedVma, KEYWORD, NOTHING, Properties, Versions};
use rmap_seam::{MAX_PROCESSES, MmId};

/// How it is written, for an error.
const USAGE: &str = "expect[VERSIONS] p: A..B[PROPERTIES] ...";

/// Whether a line that begins with this word is one.
pub(super) fn begins(keyword: Word<'_>) -> bool {
    keyword.text.strip_prefix(KEYWORD).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

impl<'a> Words<'a> {
    /// The rest of a line that [begins] so, below that many operations.
    pub(super) fn expectation(&mut self, keyword: Word<'a>, operation: usize) -> Result<Expectation, ParseError> {
        if operation == 0 {
            return Err(self.error(keyword, "expected an operation above what is expected after it"));
        }
        let versions = self.versions(keyword.after(KEYWORD.len()))?;
        let mm = self.process()?;
        let layout = self.layout()?;
        Ok(Expectation { operation, versions, mm, layout })
    }

    /// `[7.,6.16..]`, or nothing.
    fn versions(&self, word: Word<'a>) -> Result<Vec<Versions>, ParseError> {
        let Some(list) = self.bracket(word)? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for part in parts(list) {
            let wanted =
                "expected versions of the kernel, such as 7. or 7.3 (a beginning), 6.16.. or 6.12..7.1 (a range)";
            all.push(Versions::parse(part.text).ok_or_else(|| self.error(part, wanted))?);
        }
        Ok(all)
    }

    fn process(&mut self) -> Result<MmId, ParseError> {
        let Some(word) = self.next() else {
            return Err(self.end_of_line(format!("expected a process (\"{USAGE}\")")));
        };
        match word.text.strip_suffix(':') {
            Some(name) => {
                Ok(MmId(self.number(Word { text: name, at: word.at }, "p", "a process", MAX_PROCESSES as u8)?))
            }
            None => Err(self.error(word, "expected a process and a colon, such as p0:")),
        }
    }

    fn layout(&mut self) -> Result<Vec<ExpectedVma>, ParseError> {
        let mut layout: Vec<ExpectedVma> = Vec::new();
        while let Some(word) = self.next() {
            if word.text == NOTHING && layout.is_empty() {
                return match self.next() {
                    None => Ok(layout),
                    Some(more) => Err(self.error(more, format!("expected the end of the line after {NOTHING:?}"))),
                };
            }
            if word.text.starts_with('[') && !layout.is_empty() {
                let of_all = self.properties(word)?;
                layout.iter_mut().for_each(|vma| vma.properties = of_all.and(vma.properties));
                return match self.next() {
                    None => Ok(layout),
                    Some(more) => {
                        let wanted = "expected the end of the line after the properties of all VMAs";
                        Err(self.error(more, wanted))
                    }
                };
            }
            let bracket = word.text.find('[').unwrap_or(word.text.len());
            let range = Word { text: &word.text[..bracket], at: word.at };
            let (start, end) = self.range(range)?;
            if start == end {
                return Err(self.error(range, "expected a range of at least one page"));
            }
            if layout.last().is_some_and(|before| start < before.end) {
                return Err(self.error(range, "expected the ranges in order of address, without overlap"));
            }
            layout.push(ExpectedVma { start, end, properties: self.properties(word.after(bracket))? });
        }
        match layout.is_empty() {
            true => Err(self.end_of_line(format!("expected ranges of pages, or {NOTHING} (\"{USAGE}\")"))),
            false => Ok(layout),
        }
    }

    /// `[ro,!locked]`, or nothing.
    fn properties(&self, word: Word<'a>) -> Result<Properties, ParseError> {
        let mut properties = Properties::default();
        let Some(list) = self.bracket(word)? else { return Ok(properties) };
        for part in parts(list) {
            properties = properties.with(part.text).ok_or_else(|| {
                let wanted =
                    format!("expected a property of a VMA ({}), each once, ! before it: not so", Properties::words());
                self.error(part, wanted)
            })?;
        }
        Ok(properties)
    }

    /// What is between brackets; nothing if there is nothing.
    fn bracket(&self, word: Word<'a>) -> Result<Option<Word<'a>>, ParseError> {
        let Some(inner) = word.text.strip_prefix('[') else { return Ok(None) };
        match inner.strip_suffix(']') {
            Some(inner) => Ok(Some(Word { text: inner, at: word.at + 1 })),
            None => Err(self.error(word, "expected ] at the end of the word; a list in brackets has no blanks")),
        }
    }
}

/// What stands between commas.
fn parts(list: Word<'_>) -> impl Iterator<Item = Word<'_>> {
    let mut at = list.at;
    list.text.split(',').map(move |text| {
        let part = Word { text, at };
        at += text.len() + 1;
        part
    })
}
