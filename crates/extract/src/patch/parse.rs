//! Finds the diffs in a file that holds other things as well.

use super::{FilePatch, Patch, PatchError, mail};

/// Reads what a patch file does.
pub fn parse(name: String, text: &[u8]) -> Result<Patch, PatchError> {
    let mut patch = Patch { name, ..Patch::default() };
    let mut changing = Vec::new();
    let mut base_commit = None;
    for (at, message) in mail::messages(text).into_iter().enumerate() {
        let text = mail::unix_lines(&message.text);
        let decoded = format!("{} (message {}, decoded)", patch.name, at + 1);
        let shown = if message.decoded { decoded } else { patch.name.clone() };
        let lines = text.split(|&byte| byte == b'\n').collect();
        let after_line = message.after_line;
        let mut reader =
            Reader { name: shown, lines, after_line, at: 0, subject: message.subject.clone(), files: Vec::new() };
        reader.read()?;
        let (files, subject) = (reader.files, reader.subject);
        base_commit = base_commit.or(message.base_commit.clone());
        if files.is_empty() {
            continue;
        }
        changing.push((mail::Message { subject, text: Vec::new(), ..message }, files));
    }
    // An answer may propose another change; it is not the patch.
    if changing.iter().any(|(message, _)| !message.is_reply) {
        let replies = changing.extract_if(.., |(message, _)| message.is_reply);
        patch.replies = replies.map(|(message, _)| message.subject).collect();
    }
    if changing.is_empty() {
        return Err(PatchError::NoDiff { patch: patch.name, hint: hint(text) });
    }
    in_order_of_the_series(&patch.name, &mut changing)?;
    patch.base_commit = base_commit;
    patch.link = changing[0].0.link.clone();
    let several = changing.len() > 1;
    for (at, (message, files)) in changing.into_iter().enumerate() {
        let label = match message.number {
            _ if !several => String::new(),
            Some((number, of)) => format!(" ({number}/{of})"),
            None => format!(" (message {})", at + 1),
        };
        patch.subjects.extend(Some(message.subject).filter(|subject| !subject.is_empty()));
        patch.files.extend(files.into_iter().map(|file| FilePatch { message: label.clone(), ..file }));
    }
    Ok(patch)
}

/// An archive keeps messages as they came. If all are of one series, their numbers say in which order they apply.
fn in_order_of_the_series(patch: &str, changing: &mut [(mail::Message, Vec<FilePatch>)]) -> Result<(), PatchError> {
    let of = |message: &mail::Message| message.number.map(|(_, of)| of);
    let first = changing.first().and_then(|(message, _)| of(message));
    if first.is_none() || changing.iter().any(|(message, _)| of(message) != first) {
        return Ok(());
    }
    changing.sort_by_key(|(message, _)| message.number);
    match changing.windows(2).find(|pair| pair[0].0.number == pair[1].0.number) {
        None => Ok(()),
        Some(pair) => {
            let (number, of) = pair[0].0.number.unwrap_or_default();
            let [first, second] = [&pair[0], &pair[1]].map(|(message, _)| message.subject.clone());
            Err(PatchError::TwoSeries { patch: patch.to_owned(), number: format!("{number}/{of}"), first, second })
        }
    }
}

fn hint(text: &[u8]) -> &'static str {
    if text.starts_with(&[0x1f, 0x8b]) {
        return "; it is compressed: unpack it first (gunzip)";
    }
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    if text.contains("<html") {
        "; it is a web page: save the raw message instead"
    } else {
        ": a line `--- a/FILE`, a line `+++ b/FILE` and a hunk `@@ ... @@` are wanted"
    }
}

struct Reader<'t> {
    name: String,
    lines: Vec<&'t [u8]>,
    /// Lines of the file before the first of these.
    after_line: usize,
    at: usize,
    /// Of the message; for other text, the first line that looks like one.
    subject: String,
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
                if self.subject.is_empty()
                    && let Some(subject) = line.strip_prefix(b"Subject: ")
                {
                    self.subject = String::from_utf8_lossy(subject).trim().to_owned();
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
        self.files.push(FilePatch { path, without_hunks: true, text: extra, ..FilePatch::default() });
        Ok(())
    }

    fn file(&mut self, mut text: Vec<u8>) -> Result<(), PatchError> {
        let (Some(old_line), Some(new_line)) = (self.line(0), self.line(1)) else { return Ok(()) };
        let (old, new) = (path(old_line), path(new_line));
        let (creates, deletes) = (old.is_none(), new.is_none());
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
        let message = String::new();
        self.files.push(FilePatch { message, path, creates, deletes, hunks, without_hunks: false, text });
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
                return Err(PatchError::Damaged { patch, line: self.after_line + self.at + 1, file, hunk, found });
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
            ("Content-Transfer-Encoding: base64\n\nLS0t\n", "is wanted"),
            ("<HTML>--- a/x</HTML>", "web page"),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.contains("no diff in it") && (said.contains(hint) || hint == "is wanted"), "{said}");
        }
    }
    const MAIL: &str =
        "From 0 Mon Sep 17 00:00:00 2001\nMessage-ID: <id@example.org>\nContent-Type: text/plain; charset=UTF-8\n";

    #[test]
    fn what_is_encoded_for_the_way_is_decoded() {
        let quoted = HUNK.replace('=', "=3D").replace("two", "tw=\no");
        // `base64` of the coreutils, of HUNK.
        let base64 = "LS0tIGEvbW0veC5jCisrKyBiL21tL3guYwpAQCAtMSwyICsxLDIgQEAgZigpCiBvbmUKLXR3bworMgo=";
        for (encoding, body) in [("quoted-printable", quoted.as_str()), ("base64", base64)] {
            let mail =
                format!("{MAIL}Subject: =?UTF-8?q?[PATCH]_m?=\nContent-Transfer-Encoding: {encoding}\n\n{body}\n");
            for mail in [mail.clone(), mail.replace('\n', "\r\n")] {
                let patch = parse(&mail).unwrap();
                assert_eq!((patch.subject().as_str(), patch.files.len()), ("[PATCH] m", 1), "{encoding}");
                assert_eq!(patch.files[0].text, HUNK.as_bytes(), "{encoding}");
                assert_eq!(patch.link, "https://lore.kernel.org/r/id@example.org");
            }
        }
    }

    #[test]
    fn an_attached_patch_is_read_and_the_page_beside_the_text_is_not() {
        let part = |kind: &str, text: &str| {
            format!("--b\nContent-Type: {kind}\nContent-Transfer-Encoding: quoted-printable\n\n{text}\n")
        };
        let parts =
            [part("text/plain", "Hello."), part("text/html", &HUNK.replace("two", "page")), part("text/x-patch", HUNK)];
        let mail = format!(
            "From: n\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
            parts.concat()
        );
        let patch = parse(&mail).unwrap();
        assert_eq!(patch.files.len(), 1);
        assert_eq!(patch.files[0].text, HUNK.as_bytes());
    }

    /// A message of a series.
    fn message(tag: &str, headers: &str, body: &str) -> String {
        format!("{MAIL}Subject: [PATCH {tag}] m{tag}\n{headers}\nFrom here on it is text.\n{body}-- \n2.50\n\n")
    }

    #[test]
    fn a_series_is_put_in_its_order_without_its_cover_letter_and_without_replies() {
        let [one, two] = ["1", "2"].map(|text| HUNK.replace("+2", &format!("+{text}")));
        let cover = message("0/2", "", "base-commit: 0123abcd\n");
        let reply = message("1/2", "In-Reply-To: <id@example.org>\n", HUNK).replace("Subject: ", "Subject: Re: ");
        let mailbox = message("2/2", "", &two) + &reply + &cover + &message("1/2", "", &one);
        let patch = parse(&mailbox).unwrap();
        assert_eq!(patch.subjects, ["[PATCH 1/2] m1/2", "[PATCH 2/2] m2/2"]);
        assert_eq!(patch.replies, ["Re: [PATCH 1/2] m1/2"]);
        assert_eq!(patch.base_commit.as_deref(), Some("0123abcd"));
        let texts: Vec<_> = patch.files.iter().map(|file| (file.message.as_str(), file.text.as_slice())).collect();
        assert_eq!(texts, [(" (1/2)", one.as_bytes()), (" (2/2)", two.as_bytes())]);
        // An answer that is all there is was saved for its diff.
        assert_eq!(parse(&reply).unwrap().files.len(), 1);
        // Messages without numbers stay as they are.
        let mailbox = mailbox.replace(" 2/2]", "]").replace(" 1/2]", "]");
        assert_eq!(parse(&mailbox).unwrap().subjects, ["[PATCH] m2/2", "[PATCH] m1/2"]);
    }

    #[test]
    fn two_versions_of_a_series_in_one_mailbox_are_refused() {
        let mailbox = message("1/2", "", HUNK) + &message("2/2", "", HUNK) + &message("v2 1/2", "", HUNK);
        let said = parse(&mailbox).unwrap_err().to_string();
        assert!(said.contains("patch 1/2 twice") && said.contains("[PATCH v2 1/2]"), "{said}");
    }

    #[test]
    fn damage_in_a_mailbox_is_named_by_the_line_of_the_file() {
        let mailbox = message("1/2", "", HUNK) + &message("2/2", "", &HUNK.replace("-two", "two"));
        let error = parse(&mailbox).unwrap_err();
        let PatchError::Damaged { line, .. } = error else { panic!("{error}") };
        assert_eq!(mailbox.lines().nth(line - 1), Some("two"));
    }
}
