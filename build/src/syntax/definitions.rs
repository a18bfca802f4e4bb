//! Finds what a file defines at file level, under whatever conditionals.

use std::ops::Range;

use tree_sitter::Node;

use super::{Condition, Definition, Kind};

/// Everything that is defined at file level, in order.
pub fn collect(root: Node, text: &str) -> Vec<Definition> {
    let mut collector = Collector { text, found: Vec::new(), conditions: Vec::new() };
    collector.children(root);
    collector.found
}

struct Collector<'t> {
    text: &'t str,
    found: Vec<Definition>,
    conditions: Vec<Condition>,
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    node.children(&mut node.walk()).collect()
}

impl<'t> Collector<'t> {
    fn children(&mut self, node: Node) {
        for child in children(node) {
            self.node(child);
        }
    }

    fn str(&self, node: Node) -> &'t str {
        &self.text[node.byte_range()]
    }

    fn node(&mut self, node: Node) {
        match node.kind() {
            "preproc_if" | "preproc_ifdef" => self.conditional(node),
            // An error at file level, in a header full of macros, hides what is in it from nobody else.
            "ERROR" => self.children(node),
            "function_definition" => self.function(node),
            "declaration" => self.declaration(node),
            "struct_specifier" | "enum_specifier" => self.aggregate(node, node),
            "preproc_def" | "preproc_function_def" => self.macro_definition(node),
            _ => {}
        }
    }

    fn conditional(&mut self, node: Node) {
        let start = self.text[node.start_byte()..].lines().next().unwrap_or_default();
        let directive = start.split("/*").next().unwrap_or_default().trim_end().to_owned();
        let guard = self.is_include_guard(node, &directive);
        for child in children(node) {
            let otherwise = matches!(child.kind(), "preproc_else" | "preproc_elif" | "preproc_elifdef");
            if !guard {
                self.conditions.push(Condition { directive: directive.clone(), otherwise });
            }
            if otherwise {
                self.children(child)
            } else {
                self.node(child)
            }
            if !guard {
                self.conditions.pop();
            }
        }
    }

    fn is_include_guard(&self, node: Node, directive: &str) -> bool {
        let Some(name) = node.child_by_field_name("name").filter(|_| directive.starts_with("#ifndef")) else {
            return false;
        };
        children(node).into_iter().any(|child| {
            child.kind() == "preproc_def"
                && child.child_by_field_name("name").is_some_and(|defined| self.str(defined) == self.str(name))
        })
    }

    fn push(&mut self, kind: Kind, name: Node, range: Range<usize>) -> &mut Definition {
        let definition = Definition {
            kind,
            name: self.str(name).to_owned(),
            range,
            name_range: name.byte_range(),
            body: None,
            parameters_end: 0,
            parameters: Vec::new(),
            locals: Vec::new(),
            is_static: false,
            conditions: self.conditions.clone(),
        };
        self.found.push(definition);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    fn function(&mut self, node: Node) {
        let (Some(declarator), Some(body)) = (function_declarator(node), node.child_by_field_name("body")) else {
            return;
        };
        let Some(name) = declarator.child_by_field_name("declarator").filter(|name| name.kind() == "identifier") else {
            return;
        };
        let parameters = match declarator.child_by_field_name("parameters") {
            Some(list) => {
                children(list).into_iter().filter_map(|node| declared_name(node)).map(|n| self.str(n)).collect()
            }
            None => Vec::new(),
        };
        let parameters: Vec<String> = parameters.into_iter().map(|name: &str| name.to_owned()).collect();
        let parameters_end =
            declarator.child_by_field_name("parameters").map_or(name.end_byte(), |list| list.end_byte());
        let mut locals = parameters.clone();
        self.locals(body, &mut locals);
        let range = self.whole_lines(node);
        let range = self.signature_start(range.start, name.start_byte())..range.end;
        let is_static = self.is_static(&range, name);
        let definition = self.push(Kind::Function, name, range);
        definition.body = Some(body.byte_range());
        definition.parameters_end = parameters_end;
        definition.parameters = parameters;
        definition.locals = locals;
        definition.is_static = is_static;
    }

    /// What stands before the node on its first line belongs to it: an attribute that the
    /// grammar did not know.
    fn whole_lines(&self, node: Node) -> Range<usize> {
        let start = self.text[..node.start_byte()].rfind('\n').map_or(0, |at| at + 1);
        let before = &self.text[start..node.start_byte()];
        let start = if before.contains([';', '}', '/', '#']) { node.start_byte() } else { start };
        start..node.end_byte()
    }

    /// A macro that defines functions and has no semicolon (INTERVAL_TREE_DEFINE) is taken for the
    /// type of the next one: the blank line after it tells, since a signature has none.
    fn signature_start(&self, start: usize, name: usize) -> usize {
        let mut start = self.text[start..name].rfind("\n\n").map_or(start, |at| start + at + 2);
        loop {
            let rest = &self.text[start..name];
            let code = rest.trim_start();
            start = name - code.len();
            match code.strip_prefix("/*").and_then(|comment| comment.find("*/")) {
                Some(end) => start += end + 4,
                None => return start,
            }
        }
    }

    fn is_static(&self, range: &Range<usize>, name: Node) -> bool {
        self.text[range.start..name.start_byte()].split_whitespace().any(|word| word == "static")
    }

    fn locals(&self, node: Node, names: &mut Vec<String>) {
        if node.kind() == "declaration" {
            let mut cursor = node.walk();
            for declarator in node.children_by_field_name("declarator", &mut cursor) {
                names.extend(innermost(declarator).map(|name| self.str(name).to_owned()));
            }
        }
        for child in children(node) {
            self.locals(child, names);
        }
    }

    fn declaration(&mut self, node: Node) {
        if let Some(specifier) = node.child_by_field_name("type")
            && specifier.child_by_field_name("body").is_some()
        {
            return self.aggregate(specifier, node);
        }
        let mut cursor = node.walk();
        let declarators: Vec<_> = node.children_by_field_name("declarator", &mut cursor).collect();
        for declarator in declarators {
            let (kind, name) = match outer_function(declarator) {
                Some(function) => (Kind::Declaration, function.child_by_field_name("declarator")),
                None => (Kind::Variable, innermost(declarator)),
            };
            let Some(name) = name.filter(|name| name.kind() == "identifier") else { continue };
            let range = self.whole_lines(node);
            let is_static = self.is_static(&range, name);
            // `extern` says that it is elsewhere.
            let elsewhere = self.text[range.clone()].starts_with("extern") && kind == Kind::Variable;
            if !elsewhere {
                self.push(kind, name, range).is_static = is_static;
            }
        }
    }

    fn aggregate(&mut self, specifier: Node, outer: Node) {
        let (Some(name), Some(body)) = (specifier.child_by_field_name("name"), specifier.child_by_field_name("body"))
        else {
            return;
        };
        let kind = if specifier.kind() == "enum_specifier" { Kind::Enum } else { Kind::Struct };
        let end = match self.text[outer.end_byte()..].find(|c: char| !c.is_whitespace()) {
            Some(gap) if self.text[outer.end_byte() + gap..].starts_with(';') => outer.end_byte() + gap + 1,
            _ => outer.end_byte(),
        };
        self.push(kind, name, outer.start_byte()..end).body = Some(body.byte_range());
    }

    fn macro_definition(&mut self, node: Node) {
        let Some(name) = node.child_by_field_name("name") else { return };
        let end = node.start_byte() + self.str(node).trim_end().len();
        self.push(Kind::Macro, name, node.start_byte()..end);
    }
}

/// The declarator of a function definition, under pointers and attributes.
fn function_declarator(node: Node<'_>) -> Option<Node<'_>> {
    outer_function(node.child_by_field_name("declarator")?)
}

fn outer_function(mut node: Node<'_>) -> Option<Node<'_>> {
    loop {
        match node.kind() {
            "function_declarator" => {
                // A pointer to a function is a variable.
                let inner = node.child_by_field_name("declarator")?;
                return (inner.kind() == "identifier").then_some(node);
            }
            "pointer_declarator" | "attributed_declarator" | "parenthesized_declarator" => {
                node = node.child_by_field_name("declarator").or_else(|| node.named_child(0))?;
            }
            _ => return None,
        }
    }
}

/// The name under any declarator.
fn innermost(mut node: Node<'_>) -> Option<Node<'_>> {
    while node.kind() != "identifier" {
        node = node.child_by_field_name("declarator").or_else(|| node.named_child(0))?;
    }
    Some(node)
}

fn declared_name(parameter: Node<'_>) -> Option<Node<'_>> {
    if parameter.kind() != "parameter_declaration" {
        return None;
    }
    innermost(parameter.child_by_field_name("declarator")?)
}
