//! Finds what a file defines at file level, under whatever conditionals.

use std::ops::Range;

use tree_sitter::Node;

use super::{Condition, Definition, Kind};

/// Everything that is defined at file level, in order.
pub fn collect(root: Node, text: &str) -> Vec<Definition> {
    let mut collector = Collector { text, found: Vec::new(), conditions: Vec::new() };
    collector.children(root);
    collector.system_calls();
    collector.found
}

/// Words of C that nothing is called.
const WORDS: &[&str] = &[
    "bool", "char", "const", "enum", "inline", "int", "long", "short", "signed", "static", "struct", "union",
    "unsigned", "void", "volatile",
];

/// How the definition of a system call begins.
const SYSCALL_DEFINE: &str = "\nSYSCALL_DEFINE";

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
            "type_definition" => self.typedef(node),
            "declaration" => self.declaration(node),
            "struct_specifier" | "enum_specifier" => self.aggregate(node, node),
            "preproc_def" | "preproc_function_def" => self.macro_definition(node),
            _ => {}
        }
    }

    fn conditional(&mut self, node: Node) {
        let start = self.logical_line(node.start_byte());
        let directive = start.split("/*").next().unwrap_or_default().trim_end().replace("#elif", "#if");
        let guard = self.is_include_guard(node, &directive);
        for child in children(node) {
            let otherwise = matches!(child.kind(), "preproc_else" | "preproc_elif" | "preproc_elifdef");
            if !guard {
                self.conditions.push(Condition { directive: directive.clone(), otherwise });
            }
            match child.kind() {
                "preproc_elif" | "preproc_elifdef" => self.conditional(child),
                _ if otherwise => self.children(child),
                _ => self.node(child),
            }
            if !guard {
                self.conditions.pop();
            }
        }
    }

    /// A line, with those that a backslash joins to it.
    fn logical_line(&self, start: usize) -> &'t str {
        let text = &self.text[start..];
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            end += line.len();
            if !line.trim_end().ends_with('\\') {
                break;
            }
        }
        text[..end].trim_end()
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
            enumerators: Vec::new(),
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
        // A function whose braces the grammar lost leaves its locals behind; they are indented.
        if node.start_position().column > 0 && self.text[..node.start_byte()].ends_with('\t') {
            return;
        }
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
            // What the grammar did not understand may end in a word of C's own.
            let is_word = WORDS.contains(&self.str(name));
            if !elsewhere && !is_word {
                self.push(kind, name, range).is_static = is_static;
            }
        }
    }

    fn aggregate(&mut self, specifier: Node, outer: Node) {
        let Some(body) = specifier.child_by_field_name("body") else { return };
        let enumerators = self.enumerators(specifier);
        let name = specifier.child_by_field_name("name");
        if name.is_none() && enumerators.is_empty() {
            return;
        }
        let kind = if specifier.kind() == "enum_specifier" { Kind::Enum } else { Kind::Struct };
        let end = match self.text[outer.end_byte()..].find(|c: char| !c.is_whitespace()) {
            Some(gap) if self.text[outer.end_byte() + gap..].starts_with(';') => outer.end_byte() + gap + 1,
            _ => outer.end_byte(),
        };
        let definition = self.push(kind, name.unwrap_or(specifier), outer.start_byte()..end);
        if name.is_none() {
            definition.name = format!("enum of {}", enumerators[0]);
        }
        definition.body = Some(body.byte_range());
        definition.enumerators = enumerators;
    }

    fn typedef(&mut self, node: Node) {
        let mut cursor = node.walk();
        let declarators: Vec<_> = node.children_by_field_name("declarator", &mut cursor).collect();
        let mut declared = declarators.into_iter().filter_map(typedef_name);
        let Some(name) = declared.next() else { return };
        let mut others: Vec<String> = declared.map(|other| self.str(other).to_owned()).collect();
        if let Some(specifier) = node.child_by_field_name("type") {
            if let Some(tag) =
                specifier.child_by_field_name("name").filter(|_| specifier.child_by_field_name("body").is_some())
            {
                others.push(self.str(tag).to_owned());
            }
            others.extend(self.enumerators(specifier));
        }
        self.push(Kind::Typedef, name, node.byte_range()).enumerators = others;
    }

    fn enumerators(&self, specifier: Node) -> Vec<String> {
        let Some(body) = specifier.child_by_field_name("body").filter(|_| specifier.kind() == "enum_specifier") else {
            return Vec::new();
        };
        let constants = children(body).into_iter().filter(|node| node.kind() == "enumerator");
        constants.filter_map(|node| node.child_by_field_name("name")).map(|name| self.str(name).to_owned()).collect()
    }

    /// SYSCALL_DEFINEn(name, ...) { ... } is no C to the grammar: found by its lines. It defines `sys_NAME`.
    fn system_calls(&mut self) {
        for (at, _) in self.text.match_indices(SYSCALL_DEFINE) {
            let start = at + 1;
            let text = &self.text[start..];
            let (Some(open), Some(end)) = (text.find('('), text.find("\n}")) else { continue };
            let Some(comma) = text.find([',', ')']) else { continue };
            let Some(body) = text.find("\n{") else { continue };
            let name = format!("sys_{}", text[open + 1..comma].trim());
            let range = start..start + end + 2;
            // What the grammar made of its pieces is not there.
            self.found.retain(|other| !range.contains(&other.range.start));
            self.found.push(Definition {
                kind: Kind::Function,
                name,
                name_range: start..start,
                body: Some(start + body + 1..range.end),
                range,
                parameters_end: start + body,
                parameters: Vec::new(),
                locals: Vec::new(),
                enumerators: Vec::new(),
                is_static: true,
                conditions: Vec::new(),
            });
        }
        self.found.sort_by_key(|definition| definition.range.start);
    }

    fn macro_definition(&mut self, node: Node) {
        let Some(name) = node.child_by_field_name("name") else { return };
        let end = node.start_byte() + self.str(node).trim_end().len();
        self.push(Kind::Macro, name, node.start_byte()..end);
    }
}

/// The name that a declarator of a type definition declares.
fn typedef_name(node: Node<'_>) -> Option<Node<'_>> {
    if matches!(node.kind(), "type_identifier" | "primitive_type") {
        return Some(node);
    }
    let inner = node.child_by_field_name("declarator").or_else(|| node.named_child(0))?;
    typedef_name(inner)
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
