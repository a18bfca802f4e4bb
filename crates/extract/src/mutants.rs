//! Mutants of the cut functions: every small fault of a fixed set, all in one text, chosen by a number when it runs.
//!
//! Each place of a function where an [`Operator`] applies becomes a choice: `rmap_mutant_is(17) ? fault : original`. With
//! number 0 none is chosen and the text does what the kernel's does. The ordinary build knows nothing of this: see
//! `RMAP_MUTANTS` in build.rs.
//!
//! | file | what is there |
//! | --- | --- |
//! | `mutants/parse.rs` | a function's syntax tree, iteration macros included |
//! | `mutants/rewrite.rs` | where an operator applies, and what it makes of the text |
//! | `mutants/concurrency.rs` | likewise, for the operators that move locks, and what is asked and done under them |
//! | `mutants/locks.rs` | which calls take locks and references, and which give them back |
//! | `mutants/types.rs` | which pointers are of one type |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::extract::Piece;
use crate::reached::Unreached;
use crate::syntax::{Kind, SourceFile};
use rewrite::Operators;

mod concurrency;
mod locks;
mod parse;
mod rewrite;
mod types;

pub use locks::Locks;

/// The header that every mutated text needs; it stands in `csrc/`.
pub const HEADER: &str = "mutants.h";

/// What a mutant does to the text.
///
/// Assertions (WARN, BUG, `mmap_assert_*`, `might_sleep`, lockdep) check what the code does and do nothing: they are neither
/// dropped nor changed, as no state could tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// A condition, or one operand of `&&` and `||`, means its opposite.
    NegateCondition,
    /// The body of an `if` runs whatever its condition says.
    DropCondition,
    /// One operand of `&&` or `||` is not asked.
    DropOperand,
    /// A statement is left out: a call, an assignment, an increment, a decrement.
    DropStatement,
    /// `list_add()` for `list_add_tail()`, and the other way round.
    ListEnd,
    /// An iteration over a list, or a step over VMAs, goes the other way.
    IterationDirection,
    /// `<` for `<=`, `>` for `>=`, and the other way round.
    OffByOne,
    /// Two pointers of one type, given to a function, change places.
    SwapPointers,
    /// The function returns before a statement: 0, false or NULL.
    EarlyReturn,
    /// `GFP_KERNEL` for `GFP_NOWAIT`, the other way round, or a modifier left out.
    GfpFlags,
    /// A lock is given back before the statement that is before it, or before all that it covers.
    UnlockEarly,
    /// A lock is taken behind the first statement that it covers.
    LockLate,
    /// What is asked again under a lock, or with a reference, is taken for granted.
    RecheckDropped,
    /// A reference is given back, or an object freed, before the statement that is before it.
    PutBeforeUse,
    /// What is asked under a lock is asked before it is taken.
    CheckBeforeLock,
}

/// One fault that can be chosen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mutant {
    /// What chooses it, from 1; unique in a reference.
    pub number: u32,
    /// Which score it belongs to.
    pub group: String,
    /// The file, as the kernel calls it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The function.
    pub function: String,
    /// What was done.
    pub operator: Operator,
    /// The text that it applies to, in one line.
    pub before: String,
    /// What stands there instead; empty: nothing.
    pub after: String,
    /// Which of those in this function with the same operator and text, from 1.
    pub nth: u32,
    /// Why nothing reaches its line, if the list of such lines says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<String>,
}

/// Functions that have a score of their own.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The score's name.
    pub name: String,
    /// The functions; a tree may lack any.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Whether every function that the manifest cuts is in it, except for those of other groups.
    #[serde(default)]
    pub manifest: bool,
    /// Of the files that are cut whole, those whose functions with these words in their names are in it.
    #[serde(default)]
    pub whole: BTreeMap<String, Vec<String>>,
    /// Calls of [`Plan::nothing`] that do something where these functions run.
    #[serde(default)]
    pub matters: Vec<String>,
    /// Whether the functions get the operators of concurrency. They may be in another group, too, for the other operators.
    #[serde(default)]
    pub concurrency: bool,
}

/// What is mutated: `csrc/mutants.toml`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The groups.
    pub group: Vec<Group>,
    /// What takes and gives back locks and references.
    #[serde(default)]
    pub locks: Locks,
    /// Calls that check and do nothing, by how their names begin.
    pub assertions: Vec<String>,
    /// Macros that declare a variable and look like a call, by how their names end.
    pub declarations: Vec<String>,
    /// Calls whose stand-ins do nothing: what they would do is not simulated, so dropping one is no fault here.
    pub nothing: Vec<String>,
}

impl Group {
    fn has(&self, function: &str) -> bool {
        self.functions.iter().any(|name| name == function)
    }
}

impl Plan {
    /// Reads the plan's text.
    ///
    /// # Errors
    /// If it is not TOML, or not of this form.
    pub fn parse(text: &str) -> Result<Plan, String> {
        toml::from_str(text).map_err(|error| format!("csrc/mutants.toml: {}", error.to_string().trim()))
    }

    /// The plan for the functions of a group.
    fn of_group(&self, name: &str) -> Plan {
        let mut plan = self.clone();
        let matters = self.group.iter().filter(|group| group.name == name).flat_map(|group| &group.matters);
        let matters: Vec<&String> = matters.collect();
        plan.nothing.retain(|call| !matters.contains(&call));
        plan
    }

    /// Whether a call checks, or does nothing.
    fn is_idle(&self, call: &str) -> bool {
        let asserts = self.assertions.iter().any(|begin| call.starts_with(begin.as_str()));
        asserts || self.nothing.iter().any(|nothing| nothing == call)
    }

    /// The score of concurrency that a function belongs to.
    fn concurrency_of(&self, function: &str) -> Option<&str> {
        let group = self.group.iter().find(|group| group.concurrency && group.has(function));
        group.map(|group| group.name.as_str())
    }

    /// The score that a function cut from a tree belongs to.
    fn group_of(&self, function: &str, by_manifest: bool) -> Option<&str> {
        let named = self.group.iter().find(|group| !group.concurrency && group.has(function));
        let all = || self.group.iter().find(|group| group.manifest && by_manifest);
        named.or_else(all).map(|group| group.name.as_str())
    }
}

/// The scores that a function has mutants for.
#[derive(Clone, Copy)]
struct Groups<'p> {
    /// By the operators that one task shows.
    of_one_task: Option<&'p str>,
    /// By those of concurrency.
    of_several: Option<&'p str>,
}

/// The mutants of one reference, as they are made.
pub struct Schemata<'p> {
    plan: &'p Plan,
    types: types::Types,
    /// The list of lines that nothing reaches, and the reference.
    unreached: Option<(&'p Unreached, &'p str)>,
    /// By file and function and line: a function that is cut twice is mutated alike.
    done: BTreeMap<(String, String, usize), String>,
    /// In order of their numbers.
    pub mutants: Vec<Mutant>,
    /// What the parser did not understand and was left as it is: function and line.
    pub left: Vec<String>,
}

impl<'p> Schemata<'p> {
    /// None yet. `structs` are texts with the structures whose members are given to functions.
    pub fn new<'t>(plan: &'p Plan, structs: impl Iterator<Item = &'t str>) -> Self {
        let types = types::Types::read(structs);
        Self { plan, types, unreached: None, done: BTreeMap::new(), mutants: Vec::new(), left: Vec::new() }
    }

    /// The same, told which lines of the reference nothing reaches.
    #[must_use]
    pub fn with_unreached(self, list: Option<&'p Unreached>, reference: &'p str) -> Self {
        Self { unreached: list.map(|list| (list, reference)), ..self }
    }

    /// Mutates those of the pieces that the plan names; `by_manifest`: that the manifest names what is cut.
    pub fn apply(&mut self, pieces: &mut [Piece], by_manifest: bool) {
        for piece in pieces {
            match piece.kind {
                Kind::Function => {
                    let key = (piece.file.clone(), piece.symbol.clone(), piece.first_line);
                    if let Some(text) = self.done.get(&key) {
                        piece.text.clone_from(text);
                    } else {
                        let groups = Groups {
                            of_one_task: self.plan.group_of(&piece.symbol, by_manifest),
                            of_several: self.plan.concurrency_of(&piece.symbol),
                        };
                        if groups.of_one_task.is_some() || groups.of_several.is_some() {
                            piece.text =
                                self.function(groups, &piece.file, &piece.symbol, piece.first_line, &piece.text);
                            self.done.insert(key, piece.text.clone());
                        }
                    }
                }
                Kind::Whole => self.whole(piece),
                _ => {}
            }
        }
    }

    fn whole(&mut self, piece: &mut Piece) {
        for group in &self.plan.group {
            let Some(words) = group.whole.get(&piece.file) else { continue };
            let Ok(file) = SourceFile::parse(&piece.file, piece.text.clone()) else { continue };
            let mut text = String::new();
            let mut at = 0;
            for definition in file.definitions.iter().filter(|definition| definition.kind == Kind::Function) {
                if words.iter().any(|word| definition.name.contains(word.as_str())) {
                    text.push_str(&file.text[at..definition.range.start]);
                    let line = file.line(definition.range.start);
                    let function = &file.text[definition.range.clone()];
                    let groups = Groups { of_one_task: Some(&group.name), of_several: None };
                    text.push_str(&self.function(groups, &piece.file, &definition.name, line, function));
                    at = definition.range.end;
                }
            }
            text.push_str(&file.text[at..]);
            piece.text = text;
        }
    }

    fn function(&mut self, groups: Groups, file: &str, name: &str, line: usize, text: &str) -> String {
        let Some(function) = parse::Function::parse(name, text) else {
            self.left.push(format!("{file}:{line}: {name}()"));
            return text.to_owned();
        };
        let first = self.mutants.last().map_or(1, |last| last.number + 1);
        let plans = [groups.of_one_task, groups.of_several].map(|group| group.map(|group| self.plan.of_group(group)));
        let operators = Operators { of_one_task: plans[0].as_ref(), of_several: plans[1].as_ref() };
        let made = rewrite::rewrite(&function, operators, &self.types, first);
        self.left.extend(made.left.iter().map(|at| format!("{file}:{}: in {name}()", line + at)));
        let reasons = self.unreached.map(|(list, reference)| list.reasons(reference, name, text)).unwrap_or_default();
        let mut nth: BTreeMap<(Operator, String, String), u32> = BTreeMap::new();
        for found in made.mutants {
            let nth = nth.entry((found.operator, found.before.clone(), found.after.clone())).or_default();
            *nth += 1;
            self.mutants.push(Mutant {
                number: found.number,
                group: if found.concurrent { groups.of_several } else { groups.of_one_task }
                    .unwrap_or_default()
                    .to_owned(),
                file: file.to_owned(),
                line: line + found.line,
                function: name.to_owned(),
                operator: found.operator,
                before: found.before,
                after: found.after,
                nth: *nth,
                unreached: reasons.get(found.line).copied().flatten().map(str::to_owned),
            });
        }
        made.text
    }

    /// Forgets those that a compiler does not see: under a conditional that does not hold, or given to a macro that drops
    /// what it is given. `preprocessed` is the text after the preprocessor.
    pub fn keep_compiled(&mut self, preprocessed: &[impl AsRef<str>]) {
        const CALL: &str = "rmap_mutant_is(";
        let mut seen = std::collections::BTreeSet::new();
        for text in preprocessed {
            for (at, _) in text.as_ref().match_indices(CALL) {
                let digits = text.as_ref()[at + CALL.len()..].split(')').next().unwrap_or_default();
                seen.extend(digits.trim().parse::<u32>());
            }
        }
        self.mutants.retain(|mutant| seen.contains(&mutant.number));
    }
}

#[cfg(test)]
mod tests;
