//! The list of what stands in `csrc/` around the cut text: each file with what it is for, and each declaration of a
//! stand-in header with how it relates to the kernel's.
//!
//! A header says it by comments, `/* --- Duplicate --- */`, above what it goes for.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::syntax::{Kind, SourceFile};

/// How a declaration relates to the kernel's of the same name, and the comment that says so of those below it.
const SECTIONS: [(&str, &str); 3] = [
    // The same as the kernel's.
    ("duplicate", "/* --- Duplicate --- */"),
    // Ours: it observes, or does less.
    ("custom", "/* --- Custom --- */"),
    // Does nothing, or refuses nothing.
    ("no-op", "/* --- No-op --- */"),
];

/// A line for each C file below `csrc`, in order of their paths, `csrc/stubs/lock.h: …`, and below it one for each section.
///
/// # Errors
/// If a directory or a file cannot be read.
pub fn list(csrc: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    collect(csrc, &mut files)?;
    files.sort();
    let mut list = String::new();
    for path in files {
        let path = path.strip_prefix(csrc).unwrap_or(&path).display().to_string();
        let file = SourceFile::read(csrc, &path).map_err(io::Error::other)?;
        let _ = writeln!(list, "csrc/{path}: {}", first_comment(&file.text));
        for (section, _) in SECTIONS {
            let names = declared(&file, section);
            if !names.is_empty() {
                let _ = writeln!(list, "  {section}: {}", names.join(", "));
            }
        }
    }
    Ok(list)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "c" || extension == "h") {
            files.push(path);
        }
    }
    Ok(())
}

/// The first comment after the licence line, in one line.
fn first_comment(text: &str) -> String {
    let lines = text.lines().skip(1).skip_while(|line| !line.starts_with("/*"));
    let lines = lines.take_while(|line| !line.starts_with('#')).map(|line| line.trim_matches(['/', '*', ' ']));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The names that a file declares in one section, each once.
fn declared<'f>(file: &'f SourceFile, section: &str) -> Vec<&'f str> {
    let mut names: Vec<&str> = Vec::new();
    for definition in &file.definitions {
        let is_named = !definition.name.is_empty() && definition.kind != Kind::Declaration;
        if is_named && section_at(file, definition.range.start) == Some(section) && !names.contains(&&*definition.name)
        {
            names.push(&definition.name);
        }
    }
    names
}

/// The section that a byte of a file is in: that of the last comment above it.
fn section_at(file: &SourceFile, byte: usize) -> Option<&'static str> {
    let above = |comment: &str| file.text[..byte].rfind(comment);
    let last = SECTIONS.iter().max_by_key(|(_, comment)| above(comment))?;
    above(last.1).map(|_| last.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csrc() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../csrc")
    }

    #[test]
    fn lines_have_at_most_100_columns() {
        let columns =
            |line: &str| line.chars().fold(0, |column, c| if c == '\t' { (column / 8 + 1) * 8 } else { column + 1 });
        let mut files = Vec::new();
        collect(&csrc(), &mut files).unwrap();
        assert!(files.len() > 50, "{files:?}");
        let texts = files.iter().map(|path| (path, fs::read_to_string(path).unwrap()));
        let wide: Vec<String> = texts
            .flat_map(|(path, text)| {
                let wide = text.lines().zip(1..).filter(|(line, _)| columns(line) > 100);
                wide.map(|(_, number)| format!("{}:{number}", path.display())).collect::<Vec<_>>()
            })
            .collect();
        assert!(wide.is_empty(), "{wide:?}");
    }

    #[test]
    fn every_c_file_is_listed_with_its_first_comment_in_one_line() {
        let csrc = tempfile::tempdir().unwrap();
        fs::create_dir_all(csrc.path().join("stubs/deep")).unwrap();
        let licence = "/* SPDX-License-Identifier: GPL-2.0-only */\n";
        let write = |name: &str, text: &str| fs::write(csrc.path().join(name), format!("{licence}{text}")).unwrap();
        write("stubs/deep/lock.h", "/*\n * Locks: balanced,\n * and seen.\n */\n#ifndef X\n/* not this */\n");
        write("a.c", "#include <b.h>\n");
        write("no_op.h", "/* Nothing. */\n#ifndef X\n\n/* --- No-op --- */\n\n#define x(y)\n#endif\n");
        write("manifest.toml", "/* no C */\n");
        let listed = list(csrc.path()).unwrap();
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(
            lines,
            [
                "csrc/a.c: ",
                "csrc/no_op.h: Nothing.",
                "  no-op: x",
                "csrc/stubs/deep/lock.h: Locks: balanced, and seen.",
            ]
        );
    }

    #[test]
    fn a_declaration_is_listed_under_the_last_comment_above_it() {
        let text = "/* --- Duplicate --- */\n\n#define A 1\n#define B 2\n#define B 3\n\n/* --- No-op --- */\n\n\
                    static inline void c(void)\n{\n}\n";
        let file = SourceFile::parse("x.h", text.to_owned()).unwrap();
        assert_eq!(declared(&file, "duplicate"), ["A", "B"]);
        assert_eq!(declared(&file, "custom"), [""; 0]);
        assert_eq!(declared(&file, "no-op"), ["c"]);
    }

    #[test]
    fn every_stand_in_header_sorts_what_it_declares() {
        let mut files = Vec::new();
        for dir in ["include", "pages/include"] {
            collect(&csrc().join(dir), &mut files).unwrap();
        }
        assert!(files.len() > 70, "{}", files.len());
        for path in files {
            let name = path.strip_prefix(csrc()).unwrap().display().to_string();
            let file = SourceFile::read(&csrc(), &name).unwrap();
            let markers = file.text.matches("/* --- ").count();
            let known: usize = SECTIONS.iter().map(|(_, comment)| file.text.matches(comment).count()).sum();
            assert_eq!(markers, known, "{name}: a section of another name");
            for definition in &file.definitions {
                // Above the first section stand an include guard and functions that no kernel has.
                let may_stand_above = matches!(definition.kind, Kind::Macro | Kind::Declaration | Kind::Function);
                let sorted = section_at(&file, definition.range.start).is_some();
                assert!(sorted || may_stand_above, "{name}: {} stands in no section", definition.name);
            }
        }
    }

    /// The headers of `csrc/` that a text includes. Others are cut from a tree, or the C library's.
    fn included(text: &str) -> Vec<PathBuf> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("#include "));
        let names = lines.map(|name| name.trim_matches(['<', '>', '"']));
        names
            .flat_map(|name| ["pages/include", "include", "."].map(|dir| csrc().join(dir).join(name)))
            .filter(|path| path.is_file())
            .collect()
    }

    /// A header that is reached again from itself, if one is.
    fn circle(path: &Path, above: &mut Vec<PathBuf>, sound: &mut Vec<PathBuf>) -> Option<Vec<PathBuf>> {
        if let Some(at) = above.iter().position(|other| other == path) {
            return Some(above[at..].to_vec());
        }
        if sound.iter().any(|other| other == path) {
            return None;
        }
        above.push(path.to_owned());
        let text = fs::read_to_string(path).unwrap();
        let found = included(&text).iter().find_map(|next| circle(next, above, sound));
        above.pop();
        sound.push(path.to_owned());
        found
    }

    #[test]
    fn no_header_includes_itself_by_way_of_others() {
        let mut files = Vec::new();
        collect(&csrc(), &mut files).unwrap();
        let mut sound = Vec::new();
        for path in files {
            assert_eq!(circle(&path, &mut Vec::new(), &mut sound), None);
        }
        assert!(included("#include <linux/mm.h>\n#include <stdio.h>\n").len() == 1);
    }
}
