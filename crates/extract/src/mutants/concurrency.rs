//! Where the operators of concurrency apply in a function: the order of a lock, and of what is done under it, is changed.
//!
//! Nothing is written anew: a statement of the function stands at one more place, and runs at one of the two. What a condition
//! said before a lock is kept in a variable. The rewriter puts the texts in when it comes to the nodes.

use std::collections::HashMap;

use tree_sitter::Node;

use super::Operator;
use super::locks::{Class, Locks};
use super::parse::Function;
use super::rewrite::{Found, one_line};

/// What is changed in the text of a function, by the ids of its nodes.
#[derive(Default)]
pub struct Changes {
    /// What comes before a node.
    before: HashMap<usize, String>,
    /// What comes behind it.
    after: HashMap<usize, String>,
    /// Mutants of which each runs a statement at another place.
    elsewhere: HashMap<usize, Vec<String>>,
    /// What stands in the place of a condition, and for which mutant.
    instead: HashMap<usize, Vec<(String, String)>>,
    /// Variables of the function's outermost block.
    pub variables: String,
    pub mutants: Vec<Found>,
}

impl Changes {
    /// The text of a node with what is changed around it.
    pub fn around(&self, node: Node, text: String) -> String {
        let id = node.id();
        let mut text = text;
        for (chosen, other) in self.instead.get(&id).into_iter().flatten() {
            text = format!("({chosen} ? ({other}) : {text})");
        }
        if let Some(chosen) = self.elsewhere.get(&id) {
            text = format!("{{ if (!({})) {text} }}", chosen.join(" || "));
        }
        let of = |texts: &HashMap<usize, String>| texts.get(&id).cloned().unwrap_or_default();
        of(&self.before) + &text + &of(&self.after)
    }
}

/// What the operators make of a function. `idle` tells statements that do nothing here.
pub fn changes(function: &Function, locks: &Locks, idle: &dyn Fn(Node) -> bool, first: u32) -> Changes {
    let mut planner = Planner { function, locks, idle, next: first, changes: Changes::default() };
    if let Some(body) = function.body_node()
        && locks.any_in(body, function.text)
    {
        planner.visit(body);
    }
    planner.changes
}

struct Planner<'f> {
    function: &'f Function<'f>,
    locks: &'f Locks,
    idle: &'f dyn Fn(Node) -> bool,
    next: u32,
    changes: Changes,
}

/// The statement behind its labels.
fn unlabelled(node: Node) -> Node {
    let mut node = node;
    while node.kind() == "labeled_statement" {
        let Some(inner) = node.named_child(node.named_child_count().saturating_sub(1)) else { break };
        node = inner;
    }
    node
}

/// Whether nothing moves past a child of a block.
fn is_barrier(node: Node) -> bool {
    let kind = node.kind();
    node.is_error() || kind == "case_statement" || kind.starts_with("preproc") || is_jump(node)
}

fn is_jump(node: Node) -> bool {
    matches!(node.kind(), "return_statement" | "goto_statement" | "break_statement" | "continue_statement")
}

fn any(node: Node, is: &mut dyn FnMut(Node) -> bool) -> bool {
    is(node) || node.children(&mut node.walk()).any(|child| any(child, is))
}

/// The children of a block that are statements or declarations.
fn statements<'t>(block: Node<'t>) -> Vec<Node<'t>> {
    block.named_children(&mut block.walk()).filter(|child| child.kind() != "comment").collect()
}

impl<'f> Planner<'f> {
    fn text(&self, node: Node) -> &'f str {
        &self.function.text[node.byte_range()]
    }

    fn head(&self, node: Node) -> String {
        one_line(self.text(node).split_inclusive(['{', ';']).next().unwrap_or_default())
    }

    fn mutant(&mut self, node: Node, operator: Operator, before: &str, after: &str) -> String {
        let number = self.next;
        self.next += 1;
        let line = self.function.text[..node.start_byte()].matches('\n').count();
        let (before, after) = (one_line(before), one_line(after));
        self.changes.mutants.push(Found { number, line, operator, before, after, concurrent: true });
        format!("rmap_mutant_is({number})")
    }

    /// Comes to every block and every condition below a node.
    fn visit(&mut self, node: Node) {
        match node.kind() {
            "compound_statement" => self.block(node),
            "if_statement" => self.recheck(node),
            _ => {}
        }
        for child in node.children(&mut node.walk()) {
            self.visit(child);
        }
    }

    fn block(&mut self, block: Node) {
        let children = statements(block);
        for (at, &child) in children.iter().enumerate() {
            match self.locks.class_of(child, self.function.text) {
                Some(Class::Unlock) => self.earlier(&children, at, Operator::UnlockEarly),
                Some(Class::Put) => self.earlier(&children, at, Operator::PutBeforeUse),
                Some(Class::Lock) => self.later(&children, at),
                None => {}
            }
            self.check_behind(&children, at);
        }
    }

    fn is_idle(&self, node: Node) -> bool {
        node.kind() == "expression_statement" && node.named_child_count() == 0
            || self.locks.class_of(node, self.function.text).is_none() && (self.idle)(node)
    }

    /// What a statement writes to, as it is written there.
    fn assigned(&self, node: Node) -> Vec<&'f str> {
        let mut names = Vec::new();
        any(node, &mut |node| {
            if node.kind() == "assignment_expression"
                && let Some(left) = node.child_by_field_name("left")
            {
                names.push(self.text(left));
            }
            false
        });
        names
    }

    /// The variables that a statement writes to: also those whose members it writes to, or that it gives away by address.
    fn variables_written(&self, node: Node) -> Vec<&'f str> {
        let mut names = Vec::new();
        any(node, &mut |node| {
            let written = match node.kind() {
                "assignment_expression" => node.child_by_field_name("left"),
                "pointer_expression" if self.text(node).starts_with('&') => node.child_by_field_name("argument"),
                _ => None,
            };
            if let Some(written) = written {
                any(written, &mut |node| {
                    if node.kind() == "identifier" {
                        names.push(self.text(node));
                    }
                    false
                });
            }
            false
        });
        names
    }

    fn mentions(&self, node: Node, names: &[&str]) -> bool {
        any(node, &mut |node| {
            matches!(node.kind(), "identifier" | "field_expression" | "pointer_expression")
                && names.contains(&self.text(node))
        })
    }

    /// Whether a statement only leaves if a variable says that what is before it failed.
    fn checks_result(&self, node: Node) -> bool {
        let of = |name| node.child_by_field_name(name).filter(|_| node.kind() == "if_statement");
        match (of("condition"), of("consequence")) {
            (Some(condition), Some(branch)) => leaves_at_end(branch) && !self.reads_shared(condition),
            _ => false,
        }
    }

    /// An unlock or a put runs before the statement that is before it; an unlock also before all that is behind the lock.
    fn earlier(&mut self, children: &[Node], at: usize, operator: Operator) {
        let moved = children[at];
        if any(moved, &mut |node| node.kind() == "labeled_statement" || node.kind().starts_with("preproc")) {
            return;
        }
        let passes = |this: &Self, child: Node| {
            !is_barrier(unlabelled(child))
                && !this.checks_result(child)
                && child.kind() != "declaration"
                && !this.mentions(moved, &this.assigned(child))
        };
        let mut places = Vec::new();
        for &child in children[..at].iter().rev() {
            if !passes(self, child) {
                break;
            }
            if self.is_idle(child) {
                continue;
            }
            let is_lock = self.locks.class_of(child, self.function.text) == Some(Class::Lock);
            if is_lock && !places.is_empty() {
                break;
            }
            places.push(child);
            // What comes to a label from elsewhere was not before it.
            if is_lock || child.kind() == "labeled_statement" {
                break;
            }
        }
        let far = (operator == Operator::UnlockEarly && places.len() > 1).then(|| places.last().copied()).flatten();
        let near = places.first().copied();
        for (place, dots) in near.map(|near| (near, "")).into_iter().chain(far.map(|far| (far, " …"))) {
            let (one, other) = (self.head(place), self.head(moved));
            let (before, after) = (format!("{one}{dots} {other}"), format!("{other} {one}{dots}"));
            let chosen = self.mutant(place, operator, &before, &after);
            let text = format!("if ({chosen}) {{ {} }} ", one_line(self.text(moved)));
            self.changes.before.entry(unlabelled(place).id()).or_default().push_str(&text);
            self.changes.elsewhere.entry(moved.id()).or_default().push(chosen);
        }
    }

    /// A lock is taken behind the statement that is behind it; one that the block does not give back also at the block's end.
    fn later(&mut self, children: &[Node], at: usize) {
        let moved = children[at];
        if moved.kind() == "labeled_statement" {
            return;
        }
        let says_nothing = |this: &Self, node: Node| {
            this.is_idle(node) || node.kind() == "declaration" && !this.text(node).contains('=')
        };
        let behind: Vec<Node> =
            children[at + 1..].iter().copied().filter(|&child| !says_nothing(self, child)).collect();
        let passes = |this: &Self, child: Node| {
            !is_barrier(child)
                && child.kind() != "labeled_statement"
                && !this.mentions(child, &this.assigned(moved))
                && !this.mentions(moved, &this.assigned(child))
        };
        let places: Vec<Node> = behind.iter().copied().take_while(|&child| passes(self, child)).collect();
        let of_block =
            |child: &Node| self.locks.class_of(unlabelled(*child), self.function.text) == Some(Class::Unlock);
        let far = (places.len() > 1 && !behind.iter().any(of_block)).then(|| places.last().copied()).flatten();
        let near = places.first().copied();
        for (place, dots) in near.map(|near| (near, "")).into_iter().chain(far.map(|far| (far, "… "))) {
            let (one, other) = (self.head(moved), self.head(place));
            let (before, after) = (format!("{one} {dots}{other}"), format!("{dots}{other} {one}"));
            let chosen = self.mutant(moved, Operator::LockLate, &before, &after);
            let text = format!(" if ({chosen}) {{ {} }}", one_line(self.text(moved)));
            self.changes.after.entry(place.id()).or_default().push_str(&text);
            self.changes.elsewhere.entry(moved.id()).or_default().push(chosen);
        }
    }

    /// Whether a condition asks what others may change: a member, or a function.
    fn reads_shared(&self, condition: Node) -> bool {
        any(condition, &mut |node| match node.kind() {
            "field_expression" => true,
            "call_expression" => !matches!(self.locks.callee(node, self.function.text), Some("likely" | "unlikely")),
            _ => false,
        })
    }

    /// Whether a condition holds if nobody else came in between: the branch that runs then is the one to go on with.
    fn holds_as_expected(&self, condition: Node, branch: Node) -> bool {
        let plain = self.text(condition);
        if any(condition, &mut |node| self.locks.is_put(node, self.function.text)) {
            return false;
        }
        if self.taken_by(condition) {
            return !is_negated(plain);
        }
        let gives_back = any(branch, &mut |node| self.locks.is_unlock(node, self.function.text));
        plain.starts_with("(likely(") || !(plain.starts_with("(unlikely(") || leaves_at_end(branch) || gives_back)
    }

    fn taken_by(&self, node: Node) -> bool {
        any(node, &mut |node| self.locks.is_taking(node, self.function.text))
    }

    /// What is asked under a lock is taken for granted.
    fn recheck(&mut self, node: Node) {
        let (Some(condition), Some(branch)) =
            (node.child_by_field_name("condition"), node.child_by_field_name("consequence"))
        else {
            return;
        };
        let named = any(condition, &mut |node| self.locks.is_recheck(node, self.function.text));
        let behind = self.lock_before(node).is_some_and(|lock| !self.mentions(condition, &self.assigned(lock)));
        if !(named || behind && self.reads_shared(condition)) {
            return;
        }
        let plain = one_line(self.text(condition));
        let side = if self.holds_as_expected(condition, branch) { "1" } else { "0" };
        let chosen = self.mutant(node, Operator::RecheckDropped, &plain, side);
        // What gets something, or tries to, is done all the same.
        let text = if self.has_effect(condition) { format!("(void){plain}, {side}") } else { side.to_owned() };
        self.changes.instead.entry(condition.id()).or_default().push((chosen, text));
    }

    /// The statement before another in its block, if it takes a lock.
    fn lock_before<'t>(&self, node: Node<'t>) -> Option<Node<'t>> {
        let parent = node.parent().filter(|parent| parent.kind() == "compound_statement")?;
        let before = statements(parent).into_iter().take_while(|child| child.start_byte() < node.start_byte());
        let last = before.filter(|child| !self.is_idle(*child)).last()?;
        (self.locks.class_of(last, self.function.text) == Some(Class::Lock)).then_some(last)
    }

    fn has_effect(&self, node: Node) -> bool {
        any(node, &mut |node| {
            matches!(node.kind(), "assignment_expression" | "update_expression")
                || self.locks.is_named(node, self.function.text)
        })
    }

    /// Of the statement behind a lock, or behind what was tried, the condition is asked before.
    fn check_behind(&mut self, children: &[Node], at: usize) {
        let lock = children[at];
        let mut checked = None;
        if self.locks.class_of(lock, self.function.text) == Some(Class::Lock) {
            let mut behind = children[at + 1..].iter().filter(|&&child| !self.is_idle(child));
            // Between several locks nothing is done.
            checked =
                behind.find(|&&child| self.locks.class_of(child, self.function.text) != Some(Class::Lock)).copied();
        } else if lock.kind() == "if_statement"
            && let (Some(condition), Some(branch)) =
                (lock.child_by_field_name("condition"), lock.child_by_field_name("consequence"))
            && self.taken_by(condition)
        {
            let inner: Vec<Node> = match is_negated(self.text(condition)) {
                true if leaves_at_end(branch) => children[at + 1..].to_vec(),
                true => Vec::new(),
                false => statements(branch),
            };
            checked = inner.into_iter().find(|&child| !self.is_idle(child));
        }
        let Some(checked) = checked.filter(|checked| checked.kind() == "if_statement") else { return };
        let Some(condition) = checked.child_by_field_name("condition") else { return };
        let written = match lock.kind() {
            "if_statement" => lock.child_by_field_name("condition").map(|node| self.variables_written(node)),
            _ => Some(self.variables_written(lock)),
        };
        let meets = written.is_some_and(|written| self.mentions(condition, &written));
        if meets || self.has_effect(condition) || !self.reads_shared(condition) {
            return;
        }
        let plain = one_line(self.text(condition));
        let one = self.head(lock);
        let (before, after) = (format!("{one} if {plain}"), format!("if {plain} {one}"));
        let number = self.next;
        let chosen = self.mutant(lock, Operator::CheckBeforeLock, &before, &after);
        let variable = format!("rmap_checked_{number}");
        self.changes.variables.push_str(&format!(" int {variable} = 0;"));
        let text = format!("if ({chosen}) {variable} = !!{plain}; ");
        self.changes.before.entry(lock.id()).or_default().push_str(&text);
        self.changes.instead.entry(condition.id()).or_default().push((chosen, variable));
    }
}

/// Whether what is behind a branch runs only if the branch does not.
fn leaves_at_end(branch: Node) -> bool {
    is_jump(branch) || statements(branch).last().is_some_and(|last| is_jump(*last))
}

/// Whether a condition holds if what it tries was not possible.
fn is_negated(condition: &str) -> bool {
    let mut rest = condition;
    loop {
        let shorter = ["(", "likely", "unlikely"].iter().find_map(|begin| rest.strip_prefix(begin));
        let Some(shorter) = shorter else { return rest.starts_with('!') };
        rest = shorter.trim_start();
    }
}
