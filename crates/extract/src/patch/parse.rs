//! Finds the diffs in a file that holds other things as well.

use super::{FilePatch, Patch, PatchError};

/// Reads what a patch file does.
pub fn parse(name: String, text: &[u8]) -> Result<Patch, PatchError> {
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    // A mail that came by way of the network's line ends.
    if lines.iter().rev().skip(1).all(|line| line.ends_with(b"\r")) {
        lines = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    }
    let mut reader = Reader { name, lines, at: 0, subjects: Vec::new(), files: Vec::new() };
    reader.read()?;
    if reader.files.is_empty() {
        return Err(PatchError::NoDiff { patch: reader.name, hint: hint(text) });
    }
    Ok(Patch { name: reader.name, subjects: reader.subjects, files: reader.files })
}

fn hint(text: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let encoded = ["quoted-printable", "base64"];
    if encoded.iter().any(|encoding| text.contains(&format!("content-transfer-encoding: {encoding}"))) {
        "; the message is encoded: decode it first (git mailinfo does), or save it as plain text"
    } else if text.contains("<html") {
        "; it is a web page: save the raw message instead"
    } else {
        ": a line `--- a/FILE`, a line `+++ b/FILE` and a hunk `@@ ... @@` are wanted"
    }
}

struct Reader<'t> {
    name: String,
    lines: Vec<&'t [u8]>,
    at: usize,
    subjects: Vec<String>,
    files: Vec<FilePatch>,
}

/// The numbers of lines that a hunk's header announces.
struct HunkLines {
    old: usize,
    new: usize,
}

impl<'t> Reader<'t> {
    fn line(&self, ahead: usize) -> Option<&'t [u8]> {
        self.lines.get(self.at + ahead).copied()
    }

    fn read(&mut self) -> Result<(), PatchError> {
        while let Some(line) = self.line(0) {
            if line.starts_with(b"diff --git ") {
                self.git_file(line)?;
            } else if self.at_file_header() {
                self.file(Vec::new())?;
            } else {
                if let Some(subject) = line.strip_prefix(b"Subject: ") {
                    self.subject(subject);
                }
                self.at += 1;
            }
        }
        Ok(())
    }

    /// `--- a/X`, `+++ b/X`, and a hunk: a row of dashes alone is no header.
    fn at_file_header(&self) -> bool {
        self.line(0).is_some_and(|line| line.starts_with(b"--- "))
            && self.line(1).is_some_and(|line| line.starts_with(b"+++ "))
            && self.line(2).is_some_and(|line| hunk_lines(line).is_some())
    }

    fn subject(&mut self, first: &[u8]) {
        let mut subject = String::from_utf8_lossy(first).trim().to_owned();
        let more =
            self.lines[self.at + 1..].iter().take_while(|line| line.starts_with(b" ") || line.starts_with(b"\t"));
        for line in more {
            subject.push(' ');
            subject.push_str(String::from_utf8_lossy(line).trim());
        }
        self.subjects.push(subject);
    }

    /// A file as git announces it. Its extra lines say what a plain header cannot.
    fn git_file(&mut self, line: &[u8]) -> Result<(), PatchError> {
        let mut extra = line.to_vec();
        extra.push(b'\n');
        self.at += 1;
        while let Some(line) = self.line(0) {
            if self.at_file_header() {
                return self.file(extra);
            }
            let known: [&[u8]; 10] = [
                b"index ",
                b"old mode ",
                b"new mode ",
                b"new file mode ",
                b"deleted file mode ",
                b"similarity index ",
                b"dissimilarity index ",
                b"rename ",
                b"copy ",
                b"Binary files ",
            ];
            if !known.iter().any(|start| line.starts_with(start)) && line != b"GIT binary patch" {
                break;
            }
            extra.extend_from_slice(line);
            extra.push(b'\n');
            self.at += 1;
        }
        let names = String::from_utf8_lossy(line);
        let path = names.rsplit_once(" b/").map_or_else(String::new, |(_, path)| path.to_owned());
        self.files.push(FilePatch { path, creates: false, hunks: 0, without_hunks: true, text: extra });
        Ok(())
    }

    fn file(&mut self, mut text: Vec<u8>) -> Result<(), PatchError> {
        let (Some(old_line), Some(new_line)) = (self.line(0), self.line(1)) else { return Ok(()) };
        let (old, new) = (path(old_line), path(new_line));
        let creates = old.is_none();
        let path = new.or(old).unwrap_or_default();
        for line in [old_line, new_line] {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        self.at += 2;
        let mut hunks = 0;
        while let Some(lines) = self.line(0).and_then(hunk_lines) {
            hunks += 1;
            self.hunk(&path, hunks, lines, &mut text)?;
        }
        self.files.push(FilePatch { path, creates, hunks, without_hunks: false, text });
        Ok(())
    }

    /// Takes as many lines as the hunk's header announces, and none of what follows.
    fn hunk(&mut self, file: &str, hunk: usize, mut left: HunkLines, text: &mut Vec<u8>) -> Result<(), PatchError> {
        text.extend_from_slice(self.line(0).unwrap_or_default());
        text.push(b'\n');
        self.at += 1;
        while left.old > 0 || left.new > 0 || self.line(0).is_some_and(|line| line.starts_with(b"\\ ")) {
            let last = self.at + 1 >= self.lines.len();
            let line = self.line(0).filter(|line| !(last && line.is_empty()));
            let (old, new) = match line.map(|line| line.first()) {
                // Some mailers take the blank off an empty line of context.
                Some(Some(b' ') | None) => (1, 1),
                Some(Some(b'-')) => (1, 0),
                Some(Some(b'+')) => (0, 1),
                Some(Some(b'\\')) => (0, 0),
                _ => (usize::MAX, 0),
            };
            if old > left.old || new > left.new {
                let found = match line {
                    None => "the end of the file".to_owned(),
                    Some(line) => format!("`{}`", String::from_utf8_lossy(line)),
                };
                let (patch, file) = (self.name.clone(), file.to_owned());
                return Err(PatchError::Damaged { patch, line: self.at + 1, file, hunk, found });
            }
            left.old -= old;
            left.new -= new;
            let line = line.unwrap_or_default();
            text.extend_from_slice(if line.is_empty() { b" " } else { line });
            text.push(b'\n');
            self.at += 1;
        }
        Ok(())
    }
}

/// The path of a `---` or `+++` line without its first directory; none for `/dev/null`.
fn path(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&line[4..]).into_owned();
    let path = text.split('\t').next().unwrap_or_default().trim();
    if path == "/dev/null" {
        return None;
    }
    Some(path.split_once('/').map_or(path, |(_, rest)| rest).to_owned())
}

/// Reads `@@ -a,b +c,d @@`.
fn hunk_lines(line: &[u8]) -> Option<HunkLines> {
    let text = std::str::from_utf8(line.get(..line.len().min(60))?)
        .unwrap_or_else(|error| std::str::from_utf8(&line[..error.valid_up_to()]).unwrap_or_default());
    let (ranges, _) = text.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| match range.split_once(',') {
        Some((start, count)) => start.parse::<usize>().ok().and_then(|_| count.parse().ok()),
        None => range.parse::<usize>().ok().map(|_| 1),
    };
    Some(HunkLines { old: count(old)?, new: count(new)? })
}

#[cfg(test)]
mod tests {
    use super::super::{Patch, PatchError};

    fn parse(text: &str) -> Result<Patch, PatchError> {
        Patch::parse("p".to_owned(), text.as_bytes())
    }

    const HUNK: &str = "--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1,2 +1,2 @@ f()\n one\n-two\n+2\n";

    #[test]
    fn what_stands_around_a_diff_is_not_part_of_it() {
        let text =
            format!("Subject: [PATCH] a\n long one\n\n---\n mm/x.c | 2\n\n{HUNK}-- \n2.52.0\n\n- a list\n+ another\n");
        let patch = parse(&text).unwrap();
        assert_eq!(patch.subject(), "[PATCH] a long one");
        assert_eq!(patch.files.len(), 1);
        assert_eq!(patch.files[0].text, HUNK.as_bytes());
        assert_eq!((patch.files[0].path.as_str(), patch.files[0].hunks), ("mm/x.c", 1));
    }

    #[test]
    fn network_line_ends_and_lost_blanks_are_mended() {
        let text = "--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1,2 +1,3 @@\n one\n\n+two\n";
        let mended = "--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1,2 +1,3 @@\n one\n \n+two\n";
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            assert_eq!(parse(&text).unwrap().files[0].text, mended.as_bytes());
        }
    }

    #[test]
    fn a_hunk_that_is_cut_short_is_named_with_its_line() {
        for (text, at) in [(&HUNK[..HUNK.len() - 3], 6), (&HUNK.replace("-two", "two"), 5)] {
            let error = parse(text).unwrap_err();
            let PatchError::Damaged { line, hunk, ref file, .. } = error else { panic!("{error}") };
            assert_eq!((line, hunk, file.as_str()), (at, 1, "mm/x.c"));
        }
    }

    #[test]
    fn a_file_without_a_diff_is_an_error_that_says_what_it_may_be() {
        for (text, hint) in [
            ("hello\n---\n+++\n", "is wanted"),
            ("Content-Transfer-Encoding: base64\n\nLS0t\n", "encoded"),
            ("<HTML>--- a/x</HTML>", "web page"),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.contains("no diff in it") && (said.contains(hint) || hint == "is wanted"), "{said}");
        }
    }
}
