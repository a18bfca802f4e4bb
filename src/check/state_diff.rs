//! What differs between two states, object by object and field by field.

use super::violation::Object;
use crate::rmap::{AnonVmaState, FolioState, Node, PageCount, Snapshot, VmaState};

/// One field that differs, as each side has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldDiff {
    /// Whose field; `None` if it belongs to no object.
    pub object: Option<Object>,
    /// Its name.
    pub field: &'static str,
    /// As the reference has it.
    pub reference: String,
    /// As the port has it.
    pub port: String,
}

impl FieldDiff {
    /// The field with the kind of its object: `anon_vma.refcount`. The same for every object of that kind.
    pub fn class(&self) -> String {
        match self.object {
            Some(Object::Vma(_)) => format!("vma.{}", self.field),
            Some(Object::AnonVma(_)) => format!("anon_vma.{}", self.field),
            Some(Object::Avc(_)) => format!("avc.{}", self.field),
            Some(Object::Folio(_)) => format!("folio.{}", self.field),
            None => self.field.to_string(),
        }
    }
}

/// The fields in which two states differ, VMAs first, by serial.
pub fn diff_states(reference: &Snapshot, port: &Snapshot) -> Vec<FieldDiff> {
    let mut fields = Vec::new();
    let vmas = merged(&reference.vmas, &port.vmas, |vma| vma.id);
    for pair in vmas {
        match pair {
            (Some(a), Some(b)) => diff_vma(a, b, &mut fields),
            (a, b) => diff_live(a.map(|v| v.id.into()), b.map(|v| v.id.into()), &mut fields),
        }
    }
    let anon_vmas = merged(&reference.anon_vmas, &port.anon_vmas, |anon_vma| anon_vma.id);
    for pair in anon_vmas {
        match pair {
            (Some(a), Some(b)) => diff_anon_vma(a, b, &mut fields),
            (a, b) => diff_live(a.map(|v| v.id.into()), b.map(|v| v.id.into()), &mut fields),
        }
    }
    for pair in merged(&reference.folios, &port.folios, |folio| folio.id) {
        match pair {
            (Some(a), Some(b)) => diff_folio(a, b, &mut fields),
            (a, b) => diff_live(a.map(|v| v.id.into()), b.map(|v| v.id.into()), &mut fields),
        }
    }
    fields
}

/// Pairs the objects of two sorted lists.
fn merged<'a, T, I: Ord>(a: &'a [T], b: &'a [T], id: impl Fn(&T) -> I) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(x), Some(y)) => id(x).cmp(&id(y)),
        };
        pairs.push(match order {
            std::cmp::Ordering::Less => (a.next(), None),
            std::cmp::Ordering::Greater => (None, b.next()),
            std::cmp::Ordering::Equal => (a.next(), b.next()),
        });
    }
}

fn diff_live(reference: Option<Object>, port: Option<Object>, fields: &mut Vec<FieldDiff>) {
    let text = |object: Option<Object>| if object.is_some() { "live" } else { "absent" }.to_string();
    fields.push(FieldDiff { object: reference.or(port), field: "live", reference: text(reference), port: text(port) });
}

fn diff_vma(a: &VmaState, b: &VmaState, fields: &mut Vec<FieldDiff>) {
    let mut field = |field, reference: String, port: String| {
        if reference != port {
            fields.push(FieldDiff { object: Some(a.id.into()), field, reference, port });
        }
    };
    field("mm", a.mm.to_string(), b.mm.to_string());
    field("attached", a.attached.to_string(), b.attached.to_string());
    field("range", a.range.to_string(), b.range.to_string());
    field("attributes", a.attributes.to_string(), b.attributes.to_string());
    field("anon_vma", name(a.anon_vma), name(b.anon_vma));
    if a.chain != b.chain {
        field("chain", chain_text(a), chain_text(b));
    }
}

fn diff_anon_vma(a: &AnonVmaState, b: &AnonVmaState, fields: &mut Vec<FieldDiff>) {
    let mut field = |field, reference: String, port: String| {
        if reference != port {
            fields.push(FieldDiff { object: Some(a.id.into()), field, reference, port });
        }
    };
    field("root", a.root.to_string(), b.root.to_string());
    field("parent", a.parent.to_string(), b.parent.to_string());
    field("refcount", a.refcount.to_string(), b.refcount.to_string());
    field("num_children", a.num_children.to_string(), b.num_children.to_string());
    field("num_active_vmas", a.num_active_vmas.to_string(), b.num_active_vmas.to_string());
    field("rb_leftmost", name(a.leftmost), name(b.leftmost));
    if a.tree != b.tree {
        field("tree", tree_text(&a.tree), tree_text(&b.tree));
    }
}

fn diff_folio(a: &FolioState, b: &FolioState, fields: &mut Vec<FieldDiff>) {
    let mut field = |field, reference: String, port: String| {
        if reference != port {
            fields.push(FieldDiff { object: Some(a.id.into()), field, reference, port });
        }
    };
    field("mapping", name(a.mapping), name(b.mapping));
    field("index", format!("{:#x}", a.index), format!("{:#x}", b.index));
    let counts = |folio: &FolioState| {
        let of_page =
            |count: &PageCount| format!("{}{}", count.mapcount, if count.exclusive { " exclusive" } else { "" });
        folio.pages.iter().map(of_page).collect::<Vec<_>>().join(", ")
    };
    field("mapcount", counts(a), counts(b));
    let large = |folio: &FolioState| folio.large.map_or_else(|| "none".to_string(), |large| format!("{large:?}"));
    field("large", large(a), large(b));
}

fn name(object: Option<impl ToString>) -> String {
    object.map_or_else(|| "none".to_string(), |o| o.to_string())
}

/// A chain in list order, newest link first as the list has it: `avc2:anon_vma1 avc0:anon_vma0`.
fn chain_text(vma: &VmaState) -> String {
    let links: Vec<String> = vma
        .chain
        .iter()
        .map(|link| {
            let owner = if link.vma == vma.id { String::new() } else { format!("({})", link.vma) };
            format!("{}{owner}:{}", link.avc, link.anon_vma)
        })
        .collect();
    format!("[{}]", links.join(" "))
}

/// A tree in preorder, with colour, VMA and `rb_subtree_last`: `(B avc0/vma0 ..0x17 (R avc1/vma1 ..0x17) -)`.
/// A node without children has no brackets inside; a missing child beside an existing one is `-`.
pub fn tree_text(nodes: &[Node]) -> String {
    let mut text = String::new();
    // What is still to be written, last first.
    enum Todo {
        Child,
        Text(&'static str),
    }
    let mut todo = Vec::new();
    let mut nodes = nodes.iter();
    if nodes.len() > 0 {
        todo.push(Todo::Child);
    }
    while let Some(next) = todo.pop() {
        let node = match next {
            Todo::Text(part) => {
                text.push_str(part);
                continue;
            }
            Todo::Child => nodes.next(),
        };
        let Some(node) = node else {
            text.push_str("missing");
            break;
        };
        let colour = if node.black { 'B' } else { 'R' };
        text.push_str(&format!("({colour} {}/{} ..{:#x}", node.avc, node.vma, node.subtree_last));
        todo.push(Todo::Text(")"));
        for child in [node.right, node.left] {
            if node.left || node.right {
                todo.push(if child { Todo::Child } else { Todo::Text("-") });
                todo.push(Todo::Text(" "));
            }
        }
    }
    if text.is_empty() { "empty".to_string() } else { text }
}
