//! Which calls take a lock or a reference, and which give one back: the section `locks` of `csrc/mutants.toml`.

use serde::Deserialize;
use tree_sitter::Node;

/// Functions and macros, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locks {
    /// They take a lock, or begin a read section.
    pub lock: Vec<String>,
    /// They try to take one, and say whether they have.
    pub trylock: Vec<String>,
    /// They give one back.
    pub unlock: Vec<String>,
    /// They take a reference, or try to.
    pub get: Vec<String>,
    /// They give one back, or free an object.
    pub put: Vec<String>,
    /// They ask whether what was read before still holds.
    pub recheck: Vec<String>,
}

/// What a statement is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Lock,
    Unlock,
    Put,
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one == name)
}

impl Locks {
    /// The name of a call's function.
    pub fn callee<'t>(&self, node: Node, text: &'t str) -> Option<&'t str> {
        let function = node.child_by_field_name("function").filter(|_| node.kind() == "call_expression")?;
        (function.kind() == "identifier").then(|| &text[function.byte_range()])
    }

    /// Whether a node is a call that gives back a lock.
    pub fn is_unlock(&self, node: Node, text: &str) -> bool {
        self.callee(node, text).is_some_and(|name| has(&self.unlock, name))
    }

    /// Whether it is one that takes, or tries to.
    pub fn is_taking(&self, node: Node, text: &str) -> bool {
        let taking = [&self.lock, &self.trylock, &self.get];
        self.callee(node, text).is_some_and(|name| taking.iter().any(|names| has(names, name)))
    }

    /// Whether it is one that asks again, or whose answer says whether something was got, or was the last.
    pub fn is_recheck(&self, node: Node, text: &str) -> bool {
        let asking = [&self.recheck, &self.trylock, &self.get, &self.put];
        self.callee(node, text).is_some_and(|name| asking.iter().any(|names| has(names, name)))
    }

    /// Whether it is one that gives back a reference.
    pub fn is_put(&self, node: Node, text: &str) -> bool {
        self.callee(node, text).is_some_and(|name| has(&self.put, name))
    }

    /// Whether it takes or gives anything.
    pub fn is_named(&self, node: Node, text: &str) -> bool {
        self.is_taking(node, text) || self.is_unlock(node, text) || self.is_put(node, text)
    }

    /// Whether anything below a node is of interest.
    pub fn any_in(&self, node: Node, text: &str) -> bool {
        let own = self.is_named(node, text) || self.is_recheck(node, text);
        own || node.children(&mut node.walk()).any(|child| self.any_in(child, text))
    }

    /// What a statement is: a call, perhaps with its result kept, or one under a condition that has nothing else; or what
    /// comes of giving back the last reference.
    pub fn class_of(&self, node: Node, text: &str) -> Option<Class> {
        match node.kind() {
            "expression_statement" => {
                let mut call = node.named_child(0)?;
                if call.kind() == "assignment_expression" {
                    call = call.child_by_field_name("right")?;
                }
                let name = self.callee(call, text)?;
                let classes = [(&self.lock, Class::Lock), (&self.unlock, Class::Unlock), (&self.put, Class::Put)];
                classes.into_iter().find(|(names, _)| has(names, name)).map(|(_, class)| class)
            }
            "if_statement" if node.child_by_field_name("alternative").is_none() => {
                let condition = node.child_by_field_name("condition")?;
                if self.any_put(condition, text) {
                    return Some(Class::Put);
                }
                let body = node.child_by_field_name("consequence")?;
                match body.kind() {
                    "compound_statement" if body.named_child_count() == 1 => self.class_of(body.named_child(0)?, text),
                    "compound_statement" => None,
                    _ => self.class_of(body, text),
                }
            }
            _ => None,
        }
    }

    fn any_put(&self, node: Node, text: &str) -> bool {
        self.is_put(node, text) || node.children(&mut node.walk()).any(|child| self.any_put(child, text))
    }
}
