//! Writes an extract: what stands around the kernel's text so that a compiler can read it, and
//! the listing that a person reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::{Extract, ExtractError, Piece, VERBATIM};
use crate::syntax::{Condition, Kind};

pub fn write(extract: &Extract, out: &Path, stubs: &str) -> Result<(), ExtractError> {
    // A header that an older tree had and this one has not must not be found.
    for sub in ["include", "lib", "mm"] {
        match fs::remove_dir_all(out.join(sub)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&out.join(sub))(error)),
            _ => {}
        }
    }
    for (path, text) in files(extract, stubs)? {
        let path = out.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> ExtractError {
    let path = path.display().to_string();
    move |error| ExtractError::Write { path, error }
}

fn files(extract: &Extract, stubs: &str) -> Result<BTreeMap<String, String>, ExtractError> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for piece in &extract.pieces {
        if piece.kind == Kind::Whole {
            files.insert(piece.into.clone(), piece.text.clone());
        } else {
            files.entry(piece.into.clone()).or_default().push_str(&framed(piece));
        }
    }
    for renamed in &extract.renames {
        if let Some(piece) = extract.pieces.iter().find(|piece| piece.file == renamed.file) {
            files.insert(renamed.into.clone(), with_definitions_renamed(piece, &renamed.names));
        }
    }
    for prototype in &extract.prototypes {
        let text = under_conditions(&prototype.conditions, &prototype.text);
        files.entry(prototype.into.clone()).or_default().push_str(&text);
    }
    files.insert("revision.h".to_owned(), revision_header(extract));
    files.insert("extract.txt".to_owned(), listing(extract, stubs));
    let json = serde_json::to_string_pretty(&extract.pieces)
        .map_err(|error| failed(Path::new("pieces.json"))(io::Error::other(error)))?;
    files.insert("pieces.json".to_owned(), json);
    Ok(files)
}

/// A piece with its line marker, its renaming and its conditionals.
pub(super) fn framed(piece: &Piece) -> String {
    let text = format!("#line {} \"{}\"\n{}\n", piece.first_line, piece.file, piece.text);
    let names = if piece.wrapped { std::slice::from_ref(&piece.symbol) } else { &[] };
    under_conditions(&piece.conditions, &with_names_changed(names, &text))
}

/// A whole file, in which each of the functions is renamed where it is defined, and nowhere else: what the file itself calls
/// is observed too.
fn with_definitions_renamed(piece: &Piece, names: &[(String, usize, usize)]) -> String {
    let lines: Vec<&str> = piece.text.split_inclusive('\n').collect();
    let mut out = String::new();
    let mut next = 1;
    let marked = |from: usize, to: usize| match lines.get(from - 1..to) {
        Some(lines) if !lines.is_empty() => format!("#line {from} \"{}\"\n{}", piece.file, lines.concat()),
        _ => String::new(),
    };
    for (name, first, last) in names {
        out.push_str(&marked(next, first - 1));
        out.push_str(&with_names_changed(std::slice::from_ref(name), &marked(*first, *last)));
        next = last + 1;
    }
    out + &marked(next, lines.len())
}

fn with_names_changed(names: &[String], text: &str) -> String {
    let mut out = String::new();
    for name in names {
        let _ = writeln!(out, "#define {name} {VERBATIM}{name}");
    }
    out.push_str(text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
    for name in names {
        let _ = writeln!(out, "#undef {name}");
    }
    out
}

pub(super) fn under_conditions(conditions: &[Condition], text: &str) -> String {
    let mut out = String::new();
    for condition in conditions {
        out.push_str(&condition.directive);
        out.push('\n');
        if condition.otherwise {
            out.push_str("#else\n");
        }
    }
    out.push_str(text);
    out.push_str(&"#endif\n".repeat(conditions.len()));
    out
}

fn revision_header(extract: &Extract) -> String {
    let mut out = format!("#define RMAP_VERSION \"{}\"\n", extract.version);
    for fact in &extract.facts {
        let _ = writeln!(out, "#define {fact} 1");
    }
    out
}

/// What `rmap-diff kernels --show` prints.
pub fn listing(extract: &Extract, stubs: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "reference  {}", extract.name);
    let _ = writeln!(out, "version    {}", extract.version);
    let _ = writeln!(out, "origin     {}", extract.origin);
    for patch in &extract.patches {
        let _ = writeln!(out, "patch      {patch}");
    }
    let _ = writeln!(out, "\nBehaviour, as found in the source");
    for (name, value) in extract.revision.behaviours() {
        let _ = writeln!(out, "  {name:<26} {value}");
    }
    let _ = writeln!(out, "\nTaken from the tree, byte for byte");
    for piece in &extract.pieces {
        let kind = format!("{:?}", piece.kind).to_lowercase();
        let place = format!("{}:{}-{}", piece.file, piece.first_line, piece.last_line);
        let symbol = if piece.kind == Kind::Whole { "" } else { &piece.symbol };
        let renamed = extract.renames.iter().find(|renamed| piece.kind == Kind::Whole && renamed.file == piece.file);
        let wrapped = match renamed {
            Some(renamed) => {
                let names: Vec<&str> = renamed.names.iter().map(|(name, ..)| name.as_str()).collect();
                format!(" (observed by a wrapper: {})", names.join(", "))
            }
            None if piece.wrapped => " (observed by a wrapper)".to_owned(),
            None => String::new(),
        };
        let line = format!("  {place:<44} {kind:<12} {symbol}{wrapped}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out, "\nCalled by it and provided by stand-ins");
    for call in &extract.open_calls {
        let _ = writeln!(out, "  {call}");
    }
    if !stubs.is_empty() {
        let _ = writeln!(out, "\nStand-ins\n{}", stubs.trim_end());
    }
    let _ = writeln!(out, "\nThe text");
    for piece in &extract.pieces {
        let _ = writeln!(out, "\n=== {}:{}-{} {}", piece.file, piece.first_line, piece.last_line, piece.symbol);
        out.push_str(piece.text.trim_end_matches('\n'));
        out.push('\n');
    }
    out
}
