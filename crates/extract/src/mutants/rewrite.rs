//! Where an operator applies in a function, and what it makes of the text.
//!
//! Lines stay where they are: a fault's text is put in one line. One mutant is chosen at a time, so the text of a fault
//! holds no others.

use tree_sitter::Node;

use super::concurrency::{self, Changes};
use super::parse::{Function, Returns};
use super::types::{self, Locals, Types};
use super::{Operator, Plan};

/// One mutant.
pub struct Found {
    pub number: u32,
    /// Lines after the function's first.
    pub line: usize,
    pub operator: Operator,
    pub before: String,
    pub after: String,
    /// Whether its operator is one of concurrency.
    pub concurrent: bool,
}

/// A function with its mutants.
pub struct Made {
    pub text: String,
    pub mutants: Vec<Found>,
    /// Lines after the function's first at which the parser failed.
    pub left: Vec<usize>,
}

/// Which operators a function gets.
#[derive(Clone, Copy)]
pub struct Operators<'p> {
    /// Those that one task shows, with what they leave alone.
    pub of_one_task: Option<&'p Plan>,
    /// Those of concurrency, likewise.
    pub of_several: Option<&'p Plan>,
}

pub fn rewrite(function: &Function, operators: Operators, types: &Types, first: u32) -> Made {
    let locals = types::locals(function.tree.root_node(), function.text);
    let made = Made { text: String::new(), mutants: Vec::new(), left: Vec::new() };
    let nothing = Plan::default();
    let plan = operators.of_one_task.or(operators.of_several).unwrap_or(&nothing);
    let one_task = operators.of_one_task.is_some();
    let mut rewriter =
        Rewriter { function, plan, types, locals, one_task, changes: Changes::default(), next: first, made };
    if let Some(plan) = operators.of_several {
        let idle = |node: Node| does_nothing(plan, function.text, node);
        rewriter.changes = concurrency::changes(function, &plan.locks, &idle, first);
        rewriter.made.mutants = std::mem::take(&mut rewriter.changes.mutants);
        rewriter.next += rewriter.made.mutants.len() as u32;
    }
    if let Some(body) = function.body_node() {
        let text = rewriter.emit(body);
        // Its brace comes first.
        let (brace, rest) = text.split_at(1);
        let range = body.byte_range();
        let before = &function.text[..range.start];
        rewriter.made.text = [before, brace, &rewriter.changes.variables, rest, &function.text[range.end..]].concat();
    }
    rewriter.made
}

struct Rewriter<'f> {
    function: &'f Function<'f>,
    plan: &'f Plan,
    types: &'f Types,
    locals: Locals,
    /// Whether the operators are applied that one task shows.
    one_task: bool,
    changes: Changes,
    next: u32,
    made: Made,
}

const LISTS: &[(&str, &str)] = &[("list_add", "list_add_tail"), ("list_add_tail", "list_add")];

/// Loops over lists that can go the other way, and what csrc/mutants.h calls the loop that can do both.
const LOOPS: &[(&str, &str)] = &[
    ("list_for_each_entry", "list_for_each_entry_reverse"),
    ("list_for_each_entry_reverse", "list_for_each_entry"),
    ("list_for_each_entry_safe", "list_for_each_entry_safe_reverse"),
    ("list_for_each_entry_safe_reverse", "list_for_each_entry_safe"),
];

/// Steps that have a counterpart of the same form, wherever they are compiled.
const STEPS: &[(&str, &str)] = &[("vma_next", "vma_prev")];

/// The other side of a comparison's limit.
fn off_by_one(operator: &str) -> Option<&'static str> {
    match operator {
        "<" => Some("<="),
        "<=" => Some("<"),
        ">" => Some(">="),
        ">=" => Some(">"),
        _ => None,
    }
}

fn other_of<'t>(table: &[(&str, &'t str)], name: &str) -> Option<&'t str> {
    table.iter().find(|(one, _)| *one == name).map(|(_, other)| *other)
}

/// In one line, without comments.
pub fn one_line(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        rest = rest[at..].find("*/").map_or("", |end| &rest[at + end + 2..]);
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The called function, if a statement is but a call.
fn callee<'t>(text: &'t str, node: Node) -> Option<&'t str> {
    let call = if node.kind() == "expression_statement" { node.named_child(0)? } else { node };
    let name = (call.kind() == "call_expression").then(|| call.child_by_field_name("function"))??;
    (name.kind() == "identifier").then(|| &text[name.byte_range()])
}

/// Whether a statement only checks or declares something, in the guise of a call, or does nothing in this build.
fn does_nothing(plan: &Plan, text: &str, node: Node) -> bool {
    let declares = |name: &str| plan.declarations.iter().any(|end| name.ends_with(end.as_str()));
    callee(text, node).is_some_and(|name| plan.is_idle(name) || declares(name))
}

impl<'f> Rewriter<'f> {
    fn does_nothing(&self, node: Node) -> bool {
        does_nothing(self.plan, self.function.text, node)
    }

    fn text(&self, node: Node) -> &'f str {
        &self.function.text[node.byte_range()]
    }

    fn line(&self, byte: usize) -> usize {
        self.function.text[..byte].matches('\n').count()
    }

    /// A new mutant: what asks whether it is chosen.
    fn mutant(&mut self, node: Node, operator: Operator, before: &str, after: &str) -> String {
        let number = self.next;
        self.next += 1;
        let (before, after) = (one_line(before), one_line(after));
        let line = self.line(node.start_byte());
        self.made.mutants.push(Found { number, line, operator, before, after, concurrent: false });
        format!("rmap_mutant_is({number})")
    }

    /// A node's text with what `change` makes of some of its children.
    fn with_children(&mut self, node: Node, mut change: impl FnMut(&mut Self, Node) -> Option<String>) -> String {
        let mut out = String::new();
        let mut at = node.start_byte();
        let children: Vec<Node> = node.children(&mut node.walk()).collect();
        for child in children {
            if let Some(text) = change(self, child) {
                out.push_str(&self.function.text[at..child.start_byte()]);
                out.push_str(&text);
                at = child.end_byte();
            }
        }
        out.push_str(&self.function.text[at..node.end_byte()]);
        out
    }

    fn emit(&mut self, node: Node) -> String {
        let text = self.mutated(node);
        self.changes.around(node, text)
    }

    fn mutated(&mut self, node: Node) -> String {
        if !self.one_task {
            return self.with_children(node, |this, child| Some(this.emit(child)));
        }
        if node.is_error() || node.is_missing() {
            let line = self.line(node.start_byte());
            self.made.left.push(line);
            return self.text(node).to_owned();
        }
        match node.kind() {
            "compound_statement" => self.block(node),
            "expression_statement" => self.statement(node),
            "if_statement" => self.branch(node, true),
            "while_statement" if self.function.is_macro_loop(node) => self.macro_loop(node),
            "while_statement" | "do_statement" | "for_statement" => self.branch(node, false),
            "conditional_expression" => self.branch(node, false),
            "return_statement" => self.with_children(node, |this, child| Some(this.value(child))),
            "binary_expression" => self.binary(node),
            "call_expression" => self.call(node),
            "identifier" => self.gfp(node),
            // What must be constant, and what is no code that runs.
            "sizeof_expression" => self.text(node).to_owned(),
            "case_statement" => {
                let value = node.child_by_field_name("value").map(|value| value.id());
                self.with_children(node, |this, child| (Some(child.id()) != value).then(|| this.emit(child)))
            }
            "declaration" if self.text(node).starts_with("static") => self.text(node).to_owned(),
            "array_declarator"
            | "subscript_designator"
            | "asm_statement"
            | "gnu_asm_expression"
            | "type_descriptor"
            | "field_identifier"
            | "preproc_def" => self.text(node).to_owned(),
            _ if node.child_count() == 0 => self.text(node).to_owned(),
            _ => self.with_children(node, |this, child| Some(this.emit(child))),
        }
    }

    /// The statements of a block, each with a return before it.
    fn block(&mut self, node: Node) -> String {
        self.with_children(node, |this, child| {
            let skip =
                matches!(child.kind(), "declaration" | "return_statement" | "labeled_statement" | "case_statement");
            let skip = skip || !child.is_named() || child.kind() == "comment" || child.kind().starts_with("preproc");
            let before = if skip || child.is_error() { String::new() } else { this.early_return(child) };
            Some(before + &this.emit(child))
        })
    }

    fn early_return(&mut self, node: Node) -> String {
        // What declares, in the guise of a call, or does nothing, is not worth a return.
        if self.does_nothing(node) {
            return String::new();
        }
        let value = match self.function.returns {
            Returns::Nothing => "return;",
            Returns::Pointer => "return NULL;",
            Returns::Number => "return 0;",
            Returns::Other => return String::new(),
        };
        let first = one_line(self.text(node).split_inclusive(['{', ';']).next().unwrap_or_default());
        let chosen = self.mutant(node, Operator::EarlyReturn, &first, &format!("{value} {first}"));
        format!("if ({chosen}) {value} ")
    }

    fn callee(&self, node: Node) -> Option<&'f str> {
        callee(self.function.text, node)
    }

    fn statement(&mut self, node: Node) -> String {
        if node.named_child_count() == 0 || self.does_nothing(node) {
            return self.text(node).to_owned();
        }
        let chosen = self.mutant(node, Operator::DropStatement, self.text(node), "");
        let inner = self.with_children(node, |this, child| Some(this.emit(child)));
        format!("{{ if (!{chosen}) {inner} }}")
    }

    /// Something with a condition.
    fn branch(&mut self, node: Node, droppable: bool) -> String {
        let condition = node.child_by_field_name("condition").map(|condition| condition.id());
        self.with_children(node, |this, child| {
            Some(match Some(child.id()) == condition {
                true => this.condition(child, droppable),
                false => this.emit(child),
            })
        })
    }

    /// What is asked whether it is true. Parentheses stay around it where the grammar wants them.
    fn condition(&mut self, node: Node, droppable: bool) -> String {
        let plain = one_line(self.text(node));
        let mut text = String::new();
        let negated = self.mutant(node, Operator::NegateCondition, &plain, &format!("!({plain})"));
        text.push_str(&format!("{negated} ? !({plain}) : "));
        if droppable {
            let dropped = self.mutant(node, Operator::DropCondition, &plain, "1");
            text.push_str(&format!("{dropped} ? 1 : "));
        }
        let inner = self.emit(node);
        format!("({text}!!({inner}))")
    }

    /// What is returned: a condition, if it looks like one.
    fn value(&mut self, node: Node) -> String {
        let operator = node.child_by_field_name("operator").map(|operator| self.text(operator));
        let asks = match (node.kind(), operator) {
            ("binary_expression", Some(operator)) => {
                matches!(operator, "&&" | "||" | "==" | "!=" | "<" | ">" | "<=" | ">=")
            }
            ("unary_expression", Some(operator)) => operator == "!",
            _ => false,
        };
        if asks { self.condition(node, false) } else { self.emit(node) }
    }

    fn binary(&mut self, node: Node) -> String {
        let parts =
            (node.child_by_field_name("left"), node.child_by_field_name("operator"), node.child_by_field_name("right"));
        let (Some(left), Some(operator), Some(right)) = parts else { return self.text(node).to_owned() };
        let (l, op, r) = (one_line(self.text(left)), self.text(operator), one_line(self.text(right)));
        if matches!(op, "&&" | "||") {
            let whole = self.text(node);
            let no_left = self.mutant(node, Operator::DropOperand, whole, &r);
            let no_right = self.mutant(node, Operator::DropOperand, whole, &l);
            let mut operand = |this: &mut Self, child: Node| {
                let id = child.id();
                (id == left.id() || id == right.id()).then(|| this.operand(child))
            };
            let inner = self.with_children(node, &mut operand);
            return format!("({no_left} ? !!({r}) : {no_right} ? !!({l}) : !!({inner}))");
        }
        let inner = self.with_children(node, |this, child| Some(this.emit(child)));
        let Some(other) = off_by_one(op) else { return inner };
        let after = format!("{l} {other} {r}");
        let chosen = self.mutant(node, Operator::OffByOne, &format!("{l} {op} {r}"), &after);
        format!("({chosen} ? ({after}) : ({inner}))")
    }

    /// One operand of `&&` or `||`. One that is such an expression itself has operands of its own.
    fn operand(&mut self, node: Node) -> String {
        let mut bare = node;
        while bare.kind() == "parenthesized_expression" {
            let Some(inner) = bare.named_child(0) else { break };
            bare = inner;
        }
        let operator = bare.child_by_field_name("operator").map(|operator| self.text(operator));
        if bare.kind() == "binary_expression" && matches!(operator, Some("&&" | "||")) {
            return self.emit(node);
        }
        self.condition(node, false)
    }

    fn call(&mut self, node: Node) -> String {
        let Some(name) = self.callee(node) else {
            return self.with_children(node, |this, child| Some(this.emit(child)));
        };
        if self.plan.is_idle(name) {
            return self.text(node).to_owned();
        }
        let arguments: Vec<Node> = node.child_by_field_name("arguments").map_or(Vec::new(), |list| {
            list.named_children(&mut list.walk()).filter(|argument| argument.kind() != "comment").collect()
        });
        let plain: Vec<String> = arguments.iter().map(|argument| one_line(self.text(*argument))).collect();
        let whole = self.text(node);
        let mut choices = String::new();
        let renamed = [(LISTS, Operator::ListEnd), (STEPS, Operator::IterationDirection)];
        for (table, operator) in renamed {
            if let Some(other) = other_of(table, name) {
                let after = format!("{other}({})", plain.join(", "));
                let chosen = self.mutant(node, operator, whole, &after);
                choices.push_str(&format!("{chosen} ? {after} : "));
            }
        }
        // Exchanging two variables is the same either way, and no expression.
        let arguments = if name == "swap" { Vec::new() } else { arguments };
        for right in 1..arguments.len() {
            for left in 0..right {
                let of = |at: usize| self.types.of(arguments[at], self.function.text, name, &self.locals);
                if of(left).is_none() || of(left) != of(right) || plain[left] == plain[right] {
                    continue;
                }
                let mut swapped = plain.clone();
                swapped.swap(left, right);
                let after = format!("{name}({})", swapped.join(", "));
                let chosen = self.mutant(node, Operator::SwapPointers, whole, &after);
                choices.push_str(&format!("{chosen} ? {after} : "));
            }
        }
        let inner = self.with_children(node, |this, child| Some(this.emit(child)));
        if choices.is_empty() { inner } else { format!("({choices}{inner})") }
    }

    fn gfp(&mut self, node: Node) -> String {
        let flag = self.text(node);
        let other = match flag {
            "GFP_KERNEL" | "GFP_KERNEL_ACCOUNT" => "GFP_NOWAIT",
            "GFP_NOWAIT" | "GFP_ATOMIC" => "GFP_KERNEL",
            _ if flag.starts_with("__GFP_") => "0",
            _ => return flag.to_owned(),
        };
        let chosen = self.mutant(node, Operator::GfpFlags, flag, other);
        format!("({chosen} ? {other} : {flag})")
    }

    /// A loop that a macro begins: what the macro is given stays as it is.
    fn macro_loop(&mut self, node: Node) -> String {
        let Some(body) = node.child_by_field_name("body") else { return self.text(node).to_owned() };
        let head = &self.function.text[node.start_byte()..body.start_byte()];
        let name: &str = head.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        let mut start = head.to_owned();
        if let Some(other) = other_of(LOOPS, name) {
            let after = head.replacen(name, other, 1);
            let chosen = self.mutant(node, Operator::IterationDirection, head, &after);
            let rest = head[name.len()..].trim_start().trim_start_matches('(');
            start = format!("rmap_mutant_{name}({chosen}, {rest}");
        }
        start + &self.emit(body)
    }
}
