//! How much of `mm/rmap.c` a reference runs: which of its functions are compiled, and why the others are not.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::manifest::Layer;
use crate::syntax::{Definition, Kind, SourceFile, SyntaxError, configured};

/// The file.
const FILE: &str = "mm/rmap.c";

/// A function that is not compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Lines from its first to its last.
    pub lines: usize,
    /// Why not.
    pub reason: String,
}

/// The share of the file's function lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// Lines of functions that are compiled.
    pub compiled: usize,
    /// Lines of all functions.
    pub all: usize,
    /// The other functions, in the order of the file.
    pub left_out: Vec<LeftOut>,
}

/// What is compiled of a tree's file: functions by name and first line. `without` is why the page-table code is not among
/// it, if it is not; `layer` says what its configuration has.
///
/// # Errors
/// If the tree has no such file, or it cannot be parsed.
pub fn of(
    tree: &Path,
    compiled: &BTreeSet<(String, usize)>,
    layer: &Layer,
    without: Option<&str>,
) -> Result<Share, SyntaxError> {
    let file = SourceFile::read(tree, FILE)?;
    let mut share = Share { compiled: 0, all: 0, left_out: Vec::new() };
    for function in file.definitions.iter().filter(|definition| definition.kind == Kind::Function) {
        let (first, last) = (file.line(function.range.start), file.line(function.range.end.saturating_sub(1)));
        let lines = last + 1 - first;
        share.all += lines;
        if compiled.contains(&(function.name.clone(), first)) {
            share.compiled += lines;
            continue;
        }
        let reason = reason(function, layer, without);
        share.left_out.push(LeftOut { name: function.name.clone(), lines, reason });
    }
    Ok(share)
}

fn reason(function: &Definition, layer: &Layer, without: Option<&str>) -> String {
    let is_off = |directive: &str, otherwise: bool| {
        configured(directive, &layer.config, &layer.undefined).is_some_and(|holds| holds == otherwise)
    };
    let off = function.conditions.iter().find(|condition| is_off(&condition.directive, condition.otherwise));
    let left = layer.left.iter().find(|left| left.name == function.name);
    match (off, left, without) {
        (Some(off), ..) if off.otherwise => format!("the other branch of {}", off.directive),
        (Some(off), ..) => format!("only with {}", off.directive),
        (_, Some(left), _) => left.reason.clone(),
        (_, _, Some(why)) => why.to_owned(),
        _ => "csrc/ has a stand-in of this name".to_owned(),
    }
}

impl Share {
    /// As a person reads it. A reason that many functions share is said once.
    pub fn to_text(&self) -> String {
        let percent = (self.compiled * 100).checked_div(self.all).unwrap_or(0);
        let mut text =
            format!("\nCompiled of {FILE}\n  {percent} % of its function lines: {} of {}\n", self.compiled, self.all);
        let mut reasons: Vec<&str> = Vec::new();
        for left_out in &self.left_out {
            if !reasons.contains(&left_out.reason.as_str()) {
                reasons.push(&left_out.reason);
            }
        }
        for reason in reasons {
            let _ = writeln!(text, "  not compiled, {reason}:");
            for left_out in self.left_out.iter().filter(|left_out| left_out.reason == reason) {
                let _ = writeln!(text, "    {} ({} lines)", left_out.name, left_out.lines);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_counts_lines_of_functions_and_names_the_others_with_the_reason() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("mm")).unwrap();
        let text = "int a(void)\n{\n\treturn 1;\n}\n#ifdef CONFIG_X\nint b(void)\n{\n\treturn 2;\n}\n#endif\n\
                    int c(void)\n{\n}\n";
        std::fs::write(tree.path().join(FILE), text).unwrap();
        let compiled = BTreeSet::from([("a".to_owned(), 1)]);
        let share = of(tree.path(), &compiled, &Layer::default(), Some("the page-table code is not built")).unwrap();
        assert_eq!((share.compiled, share.all), (4, 11));
        let said = share.to_text();
        assert!(said.contains("36 % of its function lines: 4 of 11\n"), "{said}");
        assert!(said.contains("not compiled, only with #ifdef CONFIG_X:\n    b (4 lines)\n"), "{said}");
        assert!(said.contains("not compiled, the page-table code is not built:\n    c (3 lines)\n"), "{said}");
    }
}
