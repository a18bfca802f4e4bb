//! Which lines of a tree a patch changed: those that the tree has and the tree before it had not, by function; and, where a patch only
//! takes lines away, the line that follows them. A reference that was made by patches keeps them in its note, so that a build has
//! their runs counted.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::patch::{Patch, PatchError};
use crate::syntax::{Kind, SourceFile};

/// The changed lines of one function, or of what stands between functions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changed {
    /// The file, in the tree.
    pub file: String,
    /// The function; empty for what stands outside of functions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub function: String,
    /// The first line of the function, from 1; 0 outside of functions.
    pub first_line: usize,
    /// Its last line.
    pub last_line: usize,
    /// The lines.
    pub lines: Vec<ChangedLine>,
}

/// One changed line that is neither empty nor a comment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ChangedLine {
    /// Its number, from 1.
    pub line: usize,
    /// The first line of its statement, which may have begun before it.
    pub from: usize,
    /// The last line of its statement.
    pub to: usize,
    /// What it says, without the blanks at both ends.
    pub text: String,
    /// The line itself is as it was: the patch took away the lines before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_removed: bool,
}

/// The files that a series changes, as they are in a tree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Texts(Vec<(String, String)>);

impl Texts {
    /// Reads them; a file that is not there has no text.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn read<'p>(series: impl IntoIterator<Item = &'p Patch>, tree: &Path) -> Result<Texts, PatchError> {
        let mut texts: Vec<(String, String)> = Vec::new();
        for file in series.into_iter().flat_map(|patch| &patch.files) {
            let path = tree.join(&file.path);
            if texts.iter().any(|(there, _)| *there == file.path) {
                continue;
            }
            let text = match path.is_file() {
                true => fs::read(&path).map_err(|error| PatchError::Io { path, error })?,
                false => Vec::new(),
            };
            texts.push((file.path.clone(), String::from_utf8_lossy(&text).into_owned()));
        }
        texts.sort();
        Ok(Texts(texts))
    }

    /// One file and its text.
    pub fn of(file: &str, text: &str) -> Texts {
        Texts(vec![(file.to_owned(), text.to_owned())])
    }

    /// The lines that these texts have and `others`, of the same files, have not. `tree` is the one that has these.
    pub fn not_in(&self, others: &Texts, tree: &Path) -> Vec<Changed> {
        let pairs = self.0.iter().filter_map(|(file, text)| {
            let (_, other) = others.0.iter().find(|(other, _)| other == file)?;
            Some((file, text, other))
        });
        pairs.flat_map(|(file, text, other)| of_file(file, text, other, tree)).collect()
    }
}

fn of_file(file: &str, text: &str, before: &str, tree: &Path) -> Vec<Changed> {
    let lines: Vec<&str> = text.lines().collect();
    let code = without_comments(text);
    let is_code = |line: usize| code.get(line - 1).is_some_and(|code| !code.trim().is_empty());
    let functions = functions(file, tree);
    let mut all: Vec<Changed> = Vec::new();
    for (line, follows_removed) in new_lines(before, text) {
        // What follows may be a comment: the first line of code after it is as good.
        let line = if follows_removed { (line..=lines.len()).find(|&line| is_code(line)) } else { Some(line) };
        let Some(line) = line.filter(|&line| is_code(line)) else { continue };
        let (function, first_line, last_line) =
            functions.iter().find(|(_, first, last)| (*first..=*last).contains(&line)).cloned().unwrap_or_default();
        let (from, to) = statement(&code, line);
        let changed = ChangedLine { line, from, to, text: lines[line - 1].trim().to_owned(), follows_removed };
        match all.last_mut() {
            Some(last) if last.function == function && last.first_line == first_line => last.lines.push(changed),
            _ => all.push(Changed { file: file.to_owned(), function, first_line, last_line, lines: vec![changed] }),
        }
    }
    all
}

/// The numbers of the lines of a text that another one has not; and of those before which the other one has lines of code that
/// went and nothing came for, marked.
fn new_lines(before: &str, text: &str) -> Vec<(usize, bool)> {
    let patch = diffy::create_patch(before, text);
    let code = without_comments(before);
    let mut new = Vec::new();
    for hunk in patch.hunks() {
        let [mut old, mut at] = [hunk.old_range().start(), hunk.new_range().start()];
        // Of the change that is being read: whether code went, and whether lines came.
        let (mut went, mut came) = (false, false);
        for line in hunk.lines() {
            match line {
                diffy::Line::Context(_) => {
                    if std::mem::take(&mut went) & !std::mem::take(&mut came) {
                        new.push((at, true));
                    }
                    (old, at) = (old + 1, at + 1);
                }
                diffy::Line::Insert(_) => {
                    new.push((at, false));
                    (came, at) = (true, at + 1);
                }
                diffy::Line::Delete(_) => {
                    went |= code.get(old - 1).is_some_and(|code| !code.trim().is_empty());
                    old += 1;
                }
            }
        }
        if went && !came {
            new.push((at, true));
        }
    }
    new
}

/// Each function's name with its first and last line. A file that is no C has none.
fn functions(file: &str, tree: &Path) -> Vec<(String, usize, usize)> {
    let Ok(parsed) = SourceFile::read(tree, file) else { return Vec::new() };
    let line = |at: usize| parsed.text[..at].matches('\n').count() + 1;
    let functions = parsed.definitions.iter().filter(|definition| definition.kind == Kind::Function);
    functions.map(|f| (f.name.clone(), line(f.range.start), line(f.range.end.saturating_sub(1)))).collect()
}

/// The lines of a C text, with blanks for its comments.
fn without_comments(text: &str) -> Vec<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['/', '"']) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        let end = if here.starts_with("/*") {
            here.find("*/").map_or(here.len(), |end| end + 2)
        } else if here.starts_with("//") {
            here.find('\n').unwrap_or(here.len())
        } else {
            // A string is code; what looks like a comment in it is none.
            let quote = here.starts_with('"').then(|| here[1..].find(['"', '\n']).map_or(here.len(), |end| end + 2));
            let end = quote.unwrap_or(1).min(here.len());
            out.push_str(&here[..end]);
            rest = &here[end..];
            continue;
        };
        out.extend(here[..end].chars().filter(|&c| c == '\n'));
        rest = &here[end..];
    }
    out.push_str(rest);
    out.lines().map(str::to_owned).collect()
}

/// The first and the last line of the statement of a line: it goes on while a line ends in what cannot end one.
fn statement(code: &[String], line: usize) -> (usize, usize) {
    let goes_on = |line: usize| {
        let text = code.get(line - 1).map_or("", |text| text.trim_end());
        let open = text.matches('(').count() > text.matches(')').count();
        open || text.ends_with([',', '(', '=', '?', '&', '|', '+', '-', '*', '<', '>'])
    };
    let (mut from, mut to) = (line, line);
    while from > 1 && goes_on(from - 1) {
        from -= 1;
    }
    while to < code.len() && goes_on(to) {
        to += 1;
    }
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::{Changed, Texts, of_file};

    const BEFORE: &str = "int g;\n\nint f(int a)\n{\n\treturn a;\n}\n";
    const AFTER: &str = "int g;\nint h;\n\nint f(int a)\n{\n\t/* One;\n\t * two. */\n\tif (a ||\n\t    g)\n\t\tg = 1; /* three */\n\n\treturn a;\n}\n";

    fn changed(before: &str, after: &str) -> Vec<Changed> {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("x.c"), after).unwrap();
        of_file("x.c", after, before, tree.path())
    }

    #[test]
    fn new_lines_of_code_are_told_by_function_with_their_statements() {
        let all = changed(BEFORE, AFTER);
        let [outside, f] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((outside.function.as_str(), outside.lines.len(), outside.lines[0].line), ("", 1, 2));
        assert_eq!((f.function.as_str(), f.first_line, f.last_line), ("f", 4, 13));
        let lines: Vec<_> = f.lines.iter().map(|line| (line.line, line.from, line.to, line.text.as_str())).collect();
        assert_eq!(lines, [(8, 8, 9, "if (a ||"), (9, 8, 9, "g)"), (10, 10, 10, "g = 1; /* three */")]);
        // What is only taken away is known by the line that follows.
        let all = changed(AFTER, BEFORE);
        let lines = all.iter().flat_map(|changed| &changed.lines);
        let lines: Vec<_> = lines.map(|line| (line.line, line.text.as_str(), line.follows_removed)).collect();
        assert_eq!(lines, [(3, "int f(int a)", true), (5, "return a;", true)]);
        // A comment that went is no change of the code.
        assert_eq!(changed(&BEFORE.replace("\treturn", "\t/* Back. */\n\treturn"), BEFORE), []);
    }

    #[test]
    fn what_looks_like_a_comment_in_a_string_is_code() {
        let after = BEFORE.replace("return a;", "p(\"/* \");\n\treturn a;\n\t// no code");
        let lines: Vec<_> = changed(BEFORE, &after)[0].lines.iter().map(|line| line.line).collect();
        assert_eq!(lines, [5]);
    }

    #[test]
    fn a_file_that_was_not_there_is_new_as_a_whole() {
        let [before, after] = ["", BEFORE].map(|text| Texts::of("x.c", text));
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("x.c"), BEFORE).unwrap();
        let lines: usize = after.not_in(&before, tree.path()).iter().map(|changed| changed.lines.len()).sum();
        assert_eq!(lines, 5);
    }
}
