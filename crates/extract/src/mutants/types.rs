//! Which pointers are of one type, as far as declarations in sight tell: only such can change places.

use std::collections::HashMap;

use tree_sitter::{Node, Parser};

/// The types of structure members, by name; none where two structures differ.
#[derive(Default)]
pub struct Types {
    members: HashMap<String, Option<String>>,
}

/// The types of a function's parameters and variables, by name.
pub type Locals = HashMap<String, String>;

impl Types {
    pub fn read<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut types = Self::default();
        let mut parser = Parser::new();
        if parser.set_language(&tree_sitter_c::LANGUAGE.into()).is_err() {
            return types;
        }
        for text in texts {
            if let Some(tree) = parser.parse(text, None) {
                walk(tree.root_node(), &mut |node| {
                    if node.kind() == "field_declaration" {
                        declared(node, text, &mut |name, pointer| types.member(name, pointer));
                    }
                });
            }
        }
        types
    }

    fn member(&mut self, name: &str, pointer: String) {
        let known = self.members.entry(name.to_owned()).or_insert_with(|| Some(pointer.clone()));
        if known.as_ref().is_some_and(|known| *known != pointer) {
            *known = None;
        }
    }

    /// The structure that an argument points to.
    pub fn of(&self, argument: Node, text: &str, callee: &str, locals: &Locals) -> Option<String> {
        match argument.kind() {
            "identifier" => locals.get(&text[argument.byte_range()]).cloned(),
            "field_expression" => {
                let member = argument.child_by_field_name("field")?;
                self.members.get(&text[member.byte_range()]).cloned().flatten()
            }
            // What is given to a function on lists by address is one.
            "pointer_expression" if callee.starts_with("list_") => Some("struct list_head".to_owned()),
            _ => None,
        }
    }
}

/// The pointers that a function declares.
pub fn locals(function: Node, text: &str) -> Locals {
    let mut locals = Locals::new();
    walk(function, &mut |node| {
        if matches!(node.kind(), "declaration" | "parameter_declaration") {
            declared(node, text, &mut |name, pointer| drop(locals.insert(name.to_owned(), pointer)));
        }
    });
    locals
}

fn walk<'t>(node: Node<'t>, visit: &mut impl FnMut(Node<'t>)) {
    visit(node);
    for child in node.children(&mut node.walk()) {
        walk(child, visit);
    }
}

/// The pointers to structures in a declaration: names and types.
fn declared(node: Node, text: &str, each: &mut impl FnMut(&str, String)) {
    let Some(specifier) = node.child_by_field_name("type").filter(|node| node.kind() == "struct_specifier") else {
        return;
    };
    let Some(tag) = specifier.child_by_field_name("name") else { return };
    for declarator in node.children_by_field_name("declarator", &mut node.walk()) {
        let declarator = match declarator.kind() {
            "init_declarator" => declarator.child_by_field_name("declarator"),
            _ => Some(declarator),
        };
        let pointer = declarator.filter(|node| node.kind() == "pointer_declarator");
        let name = pointer.and_then(|node| node.child_by_field_name("declarator"));
        if let Some(name) = name.filter(|node| matches!(node.kind(), "identifier" | "field_identifier")) {
            each(&text[name.byte_range()], format!("struct {}", &text[tag.byte_range()]));
        }
    }
}
