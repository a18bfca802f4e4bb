//! A function as a row of words, and the questions that can be asked of it.

use std::ops::Range;

use crate::syntax::{Definition, Kind, SourceFile};

/// A function's body as words, comments left out.
#[derive(Clone, Debug)]
pub struct Body<'f> {
    /// The function.
    pub name: String,
    /// Its file.
    pub file: &'f str,
    /// Its parameters' names.
    pub parameters: &'f [String],
    /// The words of its body.
    pub words: Vec<&'f str>,
}

/// Finds a function in one of several files.
pub fn function<'f>(files: &[&'f SourceFile], name: &str) -> Option<Body<'f>> {
    files.iter().find_map(|file| {
        let definition: &'f Definition = file.find(Kind::Function, name).into_iter().next()?;
        let words = file.words(definition.body.as_ref()?);
        Some(Body { name: name.to_owned(), file: &file.path, parameters: &definition.parameters, words })
    })
}

impl Body<'_> {
    /// Where a function or macro whose name fits is called.
    pub fn calls(&self, fits: impl Fn(&str) -> bool) -> Vec<usize> {
        let pairs = self.words.windows(2).enumerate();
        pairs.filter(|(_, pair)| fits(pair[0]) && pair[1] == "(").map(|(at, _)| at).collect()
    }

    /// Where a function of this name is called first.
    pub fn first_call(&self, name: &str) -> Option<usize> {
        self.calls(|word| word == name).first().copied()
    }

    /// Where these words follow each other.
    pub fn sequence(&self, words: &[&str]) -> Option<usize> {
        self.words.windows(words.len()).position(|window| window == words)
    }

    /// Whether a word is there.
    pub fn mentions(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// The loops over a list: the words of each, from the macro to the end of its block.
    pub fn loops(&self) -> Vec<Range<usize>> {
        let starts = self.calls(|word| word.starts_with("list_for_each"));
        starts.into_iter().map(|start| start..self.statement_end(self.closing(start + 1) + 1)).collect()
    }

    /// Where the parenthesis or brace at `open` closes.
    pub fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for (at, word) in self.words.iter().enumerate().skip(open) {
            match *word {
                "(" | "{" | "[" => depth += 1,
                ")" | "}" | "]" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
        self.words.len()
    }

    /// One past the statement that begins at `start`.
    pub fn statement_end(&self, start: usize) -> usize {
        if self.words.get(start) == Some(&"{") {
            return self.closing(start) + 1;
        }
        let rest = self.words.iter().enumerate().skip(start);
        rest.into_iter().find(|(_, word)| **word == ";").map_or(self.words.len(), |(at, _)| at + 1)
    }

    /// The names that `owner->anon_vma` goes by: itself, and variables that are set to it.
    fn is_anon_vma_of(&self, expression: &[&str], owner: &str) -> bool {
        let itself = [owner, "->", "anon_vma"];
        if expression == itself {
            return true;
        }
        let [variable] = expression else { return false };
        self.sequence(&[variable, "=", owner, "->", "anon_vma", ";"]).is_some()
    }

    /// Whether the function returns early if `owner->anon_vma` is NULL, before any loop.
    pub fn skips_unfaulted(&self, owner: &str) -> bool {
        let before = self.loops().first().map_or(self.words.len(), |first| first.start);
        self.calls(|word| word == "if").into_iter().filter(|&at| at < before).any(|at| {
            let close = self.closing(at + 1);
            let condition = &self.words[at + 2..close.min(self.words.len())];
            let plain = match condition {
                ["!", expression @ ..] => expression,
                [expression @ .., "==", "NULL"] => expression,
                ["unlikely", "(", "!", expression @ .., ")"] => expression,
                _ => return false,
            };
            let end = self.statement_end(close + 1);
            self.is_anon_vma_of(plain, owner) && self.words[close.min(end)..end].contains(&"return")
        })
    }
}
