//! The table of references, as Rust source that the tool includes: a `Reference` (src/kernel.rs) a row.

use std::path::Path;

use crate::cache::Reference;
use crate::prepare::Prepared;
use crate::revision;

/// No reference is left.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}. No reference is left: if a kernel calls what csrc/ has no stand-in for, add one there; to take a reference out of \
     the cache: cargo run -p rmap-extract --bin rmap-kernels -- remove NAME"
)]
pub struct NoneLeft(String);

/// The whole table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// As Rust source.
    pub rust: String,
    /// The names of references that are not in it, each with the reason.
    pub left_out: Vec<(String, String)>,
}

impl Table {
    /// The table of the rows that could be made; `rows` has one for each of the references, or why it cannot be compiled.
    ///
    /// # Errors
    /// If there is no row, with the first reason.
    pub fn of(references: &[Reference], rows: Vec<Result<String, String>>) -> Result<Table, NoneLeft> {
        let (mut there, mut left_out) = (Vec::new(), Vec::new());
        for (Reference { name, .. }, row) in references.iter().zip(rows) {
            match row {
                Ok(row) => there.push(row),
                Err(reason) => left_out.push((name.clone(), reason)),
            }
        }
        match left_out.first() {
            Some((name, reason)) if there.is_empty() => Err(NoneLeft(format!("{name}: {reason}"))),
            _ => {
                let rust = format!(
                    "pub(super) static REFERENCES: &[Reference] = &[\n{}];\n\
                     pub(super) static LEFT_OUT: &[(&str, &str)] = &{left_out:?};\n",
                    there.concat()
                );
                Ok(Table { rust, left_out })
            }
        }
    }
}

/// The symbols of a reference's tables of functions.
#[derive(Clone, Copy, Debug)]
pub struct Units<'a> {
    /// The reverse map alone.
    pub ops: &'a str,
    /// The same with the VMA layer, or why there is none.
    pub layer: Result<&'a str, &'a str>,
    /// The same with the page-table code too, or why there is none.
    pub pages: Result<&'a str, &'a str>,
}

/// One reference. `not_counted` is why the runs of its changed lines are not counted, if they are not.
pub fn row(prepared: &Prepared, units: &Units<'_>, not_counted: Option<&str>) -> String {
    let (note, extract) = (&prepared.reference.note, &prepared.extract);
    let ops = units.ops;
    let table = |unit: Result<&str, &str>| match unit {
        Ok(ops) => format!("Ok({})", symbol(ops)),
        Err(reason) => format!("Err({reason:?})"),
    };
    let patches: Vec<String> = note.patches.iter().map(ToString::to_string).collect();
    let mutants = prepared.mutant_table().map(|path| ("mutants", format!("include_str!({path:?})")));
    let changed =
        serde_json::to_string(&note.changed).unwrap_or_else(|error| unreachable!("a plain structure: {error}"));
    let counters = match not_counted {
        Some(reason) => format!("Err({reason:?})"),
        None => {
            let unit = |ops: &str, of_pages| counter(ops, &prepared.dir.join(ops).with_extension("gcno"), of_pages);
            let small = std::iter::once(ops).chain(units.layer.ok()).map(|ops| unit(ops, false));
            let units: String = small.chain(units.pages.ok().map(|ops| unit(ops, true))).collect();
            format!("Ok(&[{units}])")
        }
    };
    let fields = [
        ("name", format!("{:?}", prepared.reference.name)),
        ("version", format!("{:?}", extract.version.to_string())),
        ("revision", revision::to_rust_expr(&extract.revision)),
        ("origin", format!("{:?}", note.origin)),
        ("patches", format!("&{patches:?}")),
        ("extract", format!("include_str!({:?})", prepared.listing())),
        ("pieces", format!("include_str!({:?})", prepared.dir.join("pieces.json"))),
        ("changed", format!("{changed:?}")),
        ("counters", counters),
        ("ops", symbol(ops)),
        ("moves_pages", extract.features.moves_pages.to_string()),
        ("merges_either_way", extract.features.merges_either_way.to_string()),
        ("vma_layer", table(units.layer)),
        ("pages_layer", table(units.pages)),
    ];
    let fields = fields.into_iter().chain(mutants).map(|(name, value)| format!("        {name}: {value},\n"));
    format!("    Reference {{\n{}    }},\n", fields.collect::<String>())
}

/// The counters of an object file that counts how often its lines run: what they belong to, as gcc wrote it, and what tells them.
fn counter(ops: &str, notes: &Path, of_pages: bool) -> String {
    format!(
        "super::coverage::Counters {{\n            name: {ops:?},\n            of_pages: {of_pages},\n            notes: include_bytes!({notes:?}),\n            tell: {{\n                \
         unsafe extern \"C\" {{ fn {ops}_counters(write: super::coverage::Write, to: *mut std::ffi::c_void); }}\n                \
         {ops}_counters\n            }},\n        }}, "
    )
}

/// A function that returns the table of functions with this symbol.
fn symbol(ops: &str) -> String {
    format!(
        "|| {{\n            unsafe extern \"C\" {{ static {ops}: abi::rmap_ops; }}\n            \
         // SAFETY: a constant table of the reference's object file, never written.\n            \
         unsafe {{ &{ops} }}\n        }}"
    )
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::cache::{Note, Reference};

    fn reference(name: &str) -> Reference {
        let (version, origin) = ("6.12.1".to_owned(), "a test".to_owned());
        let note =
            Note { name: name.to_owned(), version, origin, package: None, patches: Vec::new(), changed: Vec::new() };
        Reference { name: name.to_owned(), dir: name.into(), note }
    }

    #[test]
    fn a_reference_that_does_not_compile_is_left_out_with_the_reason_and_harms_no_other() {
        let references = ["bad", "good"].map(reference);
        let reason = "mm/rmap.c:7:2: error: no `g`";
        let table = Table::of(&references, vec![Err(reason.into()), Ok("ROW".into())]).unwrap();
        assert!(table.rust.contains("ROW"), "{}", table.rust);
        assert!(table.rust.contains(&format!("[(\"bad\", {reason:?})]")), "{}", table.rust);
        assert_eq!(table.left_out, [("bad".to_owned(), reason.to_owned())]);
    }

    #[test]
    fn where_none_is_left_the_message_begins_with_reference_file_and_line() {
        let rows = vec![Err("mm/rmap.c:7:2: error: no `g`".into()), Err("other".into())];
        let said = Table::of(&["a", "b"].map(reference), rows).unwrap_err().to_string();
        assert!(
            said.starts_with("a: mm/rmap.c:7:2: error: no `g`. ") && said.len() < 250 && !said.contains("other"),
            "{said}"
        );
    }
}
