//! A function's syntax tree. A macro that begins a loop looks like a call to the grammar, which gives up at the block
//! after it: for the parser its name is written as `while`, and everything stays in its place.

use tree_sitter::{Node, Parser, Tree};

use crate::syntax::{Kind, SourceFile};

/// What a function gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returns {
    Nothing,
    Pointer,
    Number,
    /// A structure: no value of it is at hand.
    Other,
}

/// A function, parsed.
pub struct Function<'t> {
    /// Its own text.
    pub text: &'t str,
    pub tree: Tree,
    /// Its body's first byte.
    pub body: usize,
    pub returns: Returns,
}

impl<'t> Function<'t> {
    pub fn parse(name: &str, text: &'t str) -> Option<Self> {
        let file = SourceFile::parse(name, text.to_owned()).ok()?;
        let definition = file.find(Kind::Function, name).first().copied()?;
        let body = definition.body.as_ref()?.start;
        let returns = returns(&text[..definition.name_range.start]);
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_c::LANGUAGE.into()).ok()?;
        let tree = parser.parse(masked(text), None)?;
        let function = Function { text, tree, body, returns };
        function.body_node().map(drop)?;
        Some(function)
    }

    /// The compound statement that is the body.
    pub fn body_node(&self) -> Option<Node<'_>> {
        let mut node = self.tree.root_node();
        loop {
            if node.kind() == "compound_statement" && node.start_byte() == self.body {
                return Some(node);
            }
            let children: Vec<Node> = node.children(&mut node.walk()).collect();
            node = children.into_iter().find(|child| child.byte_range().contains(&self.body))?;
        }
    }

    /// Whether a loop is a macro in truth.
    pub fn is_macro_loop(&self, node: Node) -> bool {
        node.kind() == "while_statement" && !self.text[node.start_byte()..].starts_with("while")
    }
}

fn returns(before_name: &str) -> Returns {
    let words: Vec<&str> = before_name.split_whitespace().collect();
    if before_name.contains('*') {
        Returns::Pointer
    } else if words.contains(&"void") {
        Returns::Nothing
    } else if words.contains(&"struct") || words.contains(&"union") {
        Returns::Other
    } else {
        Returns::Number
    }
}

/// Whether a name is that of a macro that begins a loop.
fn begins_loop(name: &str) -> bool {
    name.contains("for_each") || name.ends_with("foreach")
}

fn masked(text: &str) -> String {
    let mut out = text.to_owned().into_bytes();
    let bytes = text.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    while at < bytes.len() {
        if text[at..].starts_with("/*") {
            at += text[at..].find("*/").map_or(bytes.len() - at, |end| end + 2);
            continue;
        }
        let word = bytes[at..].iter().take_while(|byte| is_word(byte)).count();
        if word == 0 {
            // The next character may be long.
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let name = &text[at..at + word];
        if begins_loop(name) && text[at + word..].trim_start().starts_with('(') {
            out[at..at + word].fill(b' ');
            out[at..at + 5].copy_from_slice(b"while");
        }
        at += word;
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
