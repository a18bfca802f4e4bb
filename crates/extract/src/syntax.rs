//! A C file of the kernel, parsed: its tokens without comments, and what it defines at file level.
//!
//! The grammar marks errors inside bodies, at macros that look like calls and are followed by a
//! block, and at file level in headers full of macros. That is the normal case and no reason to
//! refuse: [`SourceFile::check`] tells by the braces whether a definition is where it seems to be.

use std::fs;
use std::ops::Range;
use std::path::Path;

use tree_sitter::{Node, Parser};

mod alternatives;
mod configured;
mod definitions;

pub use configured::configured;

/// A file could not be read as C, or a definition in it is broken.
#[derive(Debug, thiserror::Error)]
pub enum SyntaxError {
    /// Not there, or not readable.
    #[error("{file}: {error}")]
    Unreadable {
        /// The file, as the kernel calls it.
        file: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The parser gave up altogether.
    #[error("{0}: cannot be parsed as C at all")]
    Unparsable(String),
    /// The braces of a definition do not match.
    #[error(
        "{file}:{line}: {symbol}: {reason}; a brace seems to be lost or added near here: compare the file with its original"
    )]
    BrokenBraces {
        /// The file.
        file: String,
        /// The definition, or the file itself.
        symbol: String,
        /// Where it begins, or where the wrong brace is, from 1.
        line: usize,
        /// What does not fit.
        reason: String,
    },
}

/// What a definition is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A function with its body.
    Function,
    /// A function's declaration.
    Declaration,
    /// A structure.
    Struct,
    /// An enumeration.
    Enum,
    /// A type's other name.
    Typedef,
    /// A variable.
    Variable,
    /// A macro.
    Macro,
    /// A whole file.
    Whole,
}

/// One token, comments left out. A string is one token, and so is the text of a macro.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Where, in bytes.
    pub range: Range<usize>,
    /// Whether it is the name of something.
    pub is_name: bool,
}

/// A preprocessor conditional around a definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// Its directive, `#ifdef CONFIG_DEBUG_VM_RB`.
    pub directive: String,
    /// Whether the definition is in the other branch.
    pub otherwise: bool,
}

/// Something defined at file level.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Definition {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its text, in bytes.
    pub range: Range<usize>,
    /// Its name's first mention as the thing declared, in bytes.
    pub name_range: Range<usize>,
    /// A function's body, with its braces, in bytes.
    pub body: Option<Range<usize>>,
    /// Where a function's parameters end, in bytes.
    pub parameters_end: usize,
    /// The names of a function's parameters, in order.
    pub parameters: Vec<String>,
    /// Names declared within, which hide those of the file.
    pub locals: Vec<String>,
    /// An enumeration's constants, or the other names that a type definition declares.
    pub enumerators: Vec<String>,
    /// Whether it has internal linkage.
    pub is_static: bool,
    /// The conditionals around it, outermost first; include guards left out.
    pub conditions: Vec<Condition>,
}

/// A parsed file.
#[derive(Debug)]
pub struct SourceFile {
    /// Its path in the kernel tree.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its text as it was parsed: of two signatures over one body, one is left out.
    pub code: String,
    /// What it defines, in order.
    pub definitions: Vec<Definition>,
    tokens: Vec<Token>,
}

impl SourceFile {
    /// Reads and parses a file of a tree.
    pub fn read(tree: &Path, path: &str) -> Result<Self, SyntaxError> {
        let bytes =
            fs::read(tree.join(path)).map_err(|error| SyntaxError::Unreadable { file: path.to_owned(), error })?;
        Self::parse(path, decoded(bytes))
    }

    /// Parses a text.
    pub fn parse(path: &str, text: String) -> Result<Self, SyntaxError> {
        let unparsable = || SyntaxError::Unparsable(path.to_owned());
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_c::LANGUAGE.into()).map_err(|_| unparsable())?;
        let (code, alternatives) = alternatives::resolve(&text);
        let tree = parser.parse(&code, None).ok_or_else(unparsable)?;
        let mut definitions = definitions::collect(tree.root_node(), &code);
        for definition in &mut definitions {
            let around = alternatives.iter().find(|around| around.contains(&definition.name_range.start));
            definition.range.start =
                around.map_or(definition.range.start, |around| around.start.min(definition.range.start));
        }
        let mut tokens = Vec::new();
        collect_tokens(tree.root_node(), &mut tokens);
        Ok(Self { path: path.to_owned(), text, code, definitions, tokens })
    }

    /// The line of a byte, from 1.
    pub fn line(&self, byte: usize) -> usize {
        1 + self.text.as_bytes()[..byte.min(self.text.len())].iter().filter(|&&b| b == b'\n').count()
    }

    /// The tokens of a part of the file.
    pub fn tokens(&self, range: &Range<usize>) -> &[Token] {
        let first = self.tokens.partition_point(|token| token.range.start < range.start);
        let last = self.tokens.partition_point(|token| token.range.start < range.end);
        &self.tokens[first..last.max(first)]
    }

    /// The tokens of a part of the file, as text.
    pub fn words(&self, range: &Range<usize>) -> Vec<&str> {
        self.tokens(range).iter().map(|token| &self.text[token.range.clone()]).collect()
    }

    /// Every definition of a name.
    pub fn find(&self, kind: Kind, name: &str) -> Vec<&Definition> {
        self.definitions.iter().filter(|definition| definition.kind == kind && definition.name == name).collect()
    }

    /// A line that looks like the beginning of a definition of that name, for an error: the parser
    /// did not see one.
    pub fn line_like(&self, kind: Kind, name: &str) -> Option<usize> {
        let function = |line: &str| {
            let before = line.find(&format!("{name}(")).map(|at| line[..at].chars().next_back());
            let whole = before.is_some_and(|c| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_'));
            let at_start = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            whole && at_start && !line.trim_end().ends_with(';')
        };
        let aggregate = |line: &str, keyword: &str| {
            let rest = line.strip_prefix(keyword).and_then(|rest| rest.trim_start().strip_prefix(name));
            rest.is_some_and(|rest| matches!(rest.trim(), "" | "{"))
        };
        let fits = |line: &str| match kind {
            Kind::Function => function(line),
            Kind::Struct => aggregate(line, "struct "),
            Kind::Enum => aggregate(line, "enum "),
            _ => false,
        };
        self.text.lines().position(fits).map(|line| line + 1)
    }

    /// Whether a definition's braces say the same as the parser: they match, and where the first
    /// is at the beginning of a line so is the last, and no other between.
    pub fn check(&self, definition: &Definition) -> Result<(), SyntaxError> {
        let Some(body) = definition.body.clone() else { return Ok(()) };
        let broken = |byte: usize, reason: &str| SyntaxError::BrokenBraces {
            file: self.path.clone(),
            symbol: definition.name.clone(),
            line: self.line(byte),
            reason: reason.to_owned(),
        };
        let at_line_start = |byte: usize| byte == 0 || self.text.as_bytes()[byte - 1] == b'\n';
        if at_line_start(body.start) {
            let end = self.text[body.start..].find("\n}").map(|at| body.start + at + 2);
            if end != Some(body.end) {
                return Err(broken(definition.range.start, "its body does not end at the first `}` in column 1"));
            }
        } else if definition.kind == Kind::Function
            && !self.text[definition.parameters_end..body.start].trim().is_empty()
        {
            return Err(broken(definition.range.start, "its body does not begin after its parameters"));
        }
        match self.unbalanced(&body) {
            None => Ok(()),
            Some(byte) => Err(broken(byte, "the braces in it do not match")),
        }
    }

    /// Whether the braces of the whole file match.
    pub fn check_whole(&self) -> Result<(), SyntaxError> {
        for definition in self.definitions.iter().filter(|definition| definition.kind == Kind::Function) {
            self.check(definition)?;
        }
        match self.unbalanced(&(0..self.text.len())) {
            None => Ok(()),
            Some(byte) => Err(SyntaxError::BrokenBraces {
                file: self.path.clone(),
                symbol: "the file".to_owned(),
                line: self.line(byte),
                reason: "the braces in it do not match".to_owned(),
            }),
        }
    }

    /// Where the braces of a part stop to match. Of a conditional, the first branch counts.
    fn unbalanced(&self, range: &Range<usize>) -> Option<usize> {
        let mut open: Vec<usize> = Vec::new();
        let mut conditionals: Vec<Option<Vec<usize>>> = Vec::new();
        for token in self.tokens(range) {
            let word = &self.text[token.range.clone()];
            let directive = word.strip_prefix('#').map(str::trim_start);
            match (word, directive) {
                ("{", _) => open.push(token.range.start),
                ("}", _) => {
                    let other_branch = conditionals.iter().any(Option::is_some);
                    if open.pop().is_none() && !other_branch {
                        return Some(token.range.start);
                    }
                }
                (_, Some("if" | "ifdef" | "ifndef")) => conditionals.push(None),
                (_, Some("else" | "elif" | "elifdef" | "elifndef")) => {
                    if let Some(first @ None) = conditionals.last_mut() {
                        *first = Some(open.clone());
                    }
                }
                (_, Some("endif")) => {
                    if let Some(Some(first)) = conditionals.pop() {
                        open = first;
                    }
                }
                _ => {}
            }
        }
        open.first().copied()
    }
}

/// The text of a file. A few old ones have names in Latin-1 in their comments: a byte that is not UTF-8 is taken as one.
fn decoded(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let chunks = error.as_bytes().utf8_chunks();
        chunks.flat_map(|chunk| chunk.valid().chars().chain(chunk.invalid().iter().map(|&byte| byte.into()))).collect()
    })
}

fn collect_tokens(root: Node, tokens: &mut Vec<Token>) {
    let mut cursor = root.walk();
    loop {
        let node = cursor.node();
        let whole = matches!(node.kind(), "string_literal" | "char_literal" | "system_lib_string" | "preproc_arg");
        if node.kind() != "comment" && !whole && cursor.goto_first_child() {
            continue;
        }
        if node.kind() != "comment" && !node.byte_range().is_empty() {
            let is_name = matches!(node.kind(), "identifier" | "type_identifier" | "primitive_type");
            tokens.push(Token { range: node.byte_range(), is_name });
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}
