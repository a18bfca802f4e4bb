//! Edits of source text: a piece of a function is replaced by another.
//!
//! An edit names its function and an anchor that stands in it exactly once. Where the text has
//! moved on, the edit does not fit and says so, instead of changing something else.

use std::ops::Range;

use serde::Deserialize;

use crate::syntax::{Kind, SourceFile};

/// A piece of text to replace. It stands in the function exactly once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Edit<Text = &'static str> {
    /// The function's name.
    pub within: Text,
    /// What is there.
    pub from: Text,
    /// What shall be there.
    pub to: Text,
}

/// An edit does not fit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EditError {
    /// The function is not there.
    #[error("{file}: {function}(): no such function, or several")]
    NoFunction {
        /// The file.
        file: String,
        /// The function.
        function: String,
    },
    /// The anchor does not name one place.
    #[error("{file}: {function}() holds {anchor:?} {count} times, not once")]
    NotOnce {
        /// The file.
        file: String,
        /// The function.
        function: String,
        /// What is looked for.
        anchor: String,
        /// How often it is there.
        count: usize,
    },
}

impl<Text: AsRef<str>> Edit<Text> {
    /// The text of `file` after the edit. `function` finds a function in a text by its name.
    pub fn apply(
        &self,
        file: &str,
        text: &str,
        function: impl Fn(&str, &str) -> Option<Range<usize>>,
    ) -> Result<String, EditError> {
        let (within, from, to) = (self.within.as_ref(), self.from.as_ref(), self.to.as_ref());
        let (file, name) = (file.to_owned(), within.to_owned());
        let Some(range) = function(text, within) else { return Err(EditError::NoFunction { file, function: name }) };
        let (before, body, after) = (&text[..range.start], &text[range.clone()], &text[range.end..]);
        match body.matches(from).count() {
            1 => Ok([before, &body.replacen(from, to, 1), after].concat()),
            count => Err(EditError::NotOnce { file, function: name, anchor: from.to_owned(), count }),
        }
    }
}

/// Where a C function is defined.
pub fn c_function(text: &str, name: &str) -> Option<Range<usize>> {
    let file = SourceFile::parse(name, text.to_owned()).ok()?;
    let [function] = file.find(Kind::Function, name)[..] else { return None };
    Some(function.range.clone())
}

#[cfg(test)]
mod tests {
    use super::{Edit, EditError, c_function};

    const TEXT: &str = "int one(void)\n{\n\treturn 1;\n}\n\nint two(void)\n{\n\treturn 1;\n}\n";

    fn edit(within: &'static str, from: &'static str) -> Result<String, EditError> {
        Edit { within, from, to: "return 2;" }.apply("mm/a.c", TEXT, c_function)
    }

    #[test]
    fn an_edit_changes_its_function_alone() {
        let edited = edit("two", "return 1;").unwrap();
        assert_eq!(edited, "int one(void)\n{\n\treturn 1;\n}\n\nint two(void)\n{\n\treturn 2;\n}\n");
    }

    #[test]
    fn an_edit_that_does_not_fit_says_where() {
        let said = |edited: Result<String, EditError>| edited.unwrap_err().to_string();
        assert_eq!(said(edit("three", "return 1;")), "mm/a.c: three(): no such function, or several");
        assert_eq!(said(edit("one", "return 3;")), "mm/a.c: one() holds \"return 3;\" 0 times, not once");
        assert_eq!(said(edit("one", "n")), "mm/a.c: one() holds \"n\" 3 times, not once");
    }
}
