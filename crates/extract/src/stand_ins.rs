//! What stands in for the kernel around the cut text: the files of `csrc/`, each with what its first comment says.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A line for each C file below `csrc`, in order of their paths: `csrc/stubs/lock.h: …`.
///
/// # Errors
/// If a directory or a file cannot be read.
pub fn list(csrc: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    collect(csrc, &mut files)?;
    files.sort();
    let mut list = String::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let place = file.strip_prefix(csrc).unwrap_or(&file);
        list.push_str(&format!("csrc/{}: {}\n", place.display(), first_comment(&text)));
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
    let comment =
        text.lines().skip(1).skip_while(|line| !line.starts_with("/*")).take_while(|line| !line.starts_with('#'));
    let words: Vec<&str> =
        comment.map(|line| line.trim_matches(['/', '*', ' '])).filter(|line| !line.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn every_c_file_is_listed_with_its_first_comment_in_one_line() {
        let csrc = tempfile::tempdir().unwrap();
        fs::create_dir_all(csrc.path().join("stubs/deep")).unwrap();
        let licence = "/* SPDX-License-Identifier: GPL-2.0-only */\n";
        let write = |name: &str, text: &str| fs::write(csrc.path().join(name), format!("{licence}{text}")).unwrap();
        write("stubs/deep/lock.h", "/*\n * Locks: balanced,\n * and seen.\n */\n#ifndef X\n/* not this */\n");
        write("a.c", "#include <b.h>\n");
        write("manifest.toml", "/* no C */\n");
        let list = super::list(csrc.path()).unwrap();
        assert_eq!(list, "csrc/a.c: \ncsrc/stubs/deep/lock.h: Locks: balanced, and seen.\n");
    }
}
