//! The messages of a file: a mailbox has many, a saved mail is one, and a bare diff is text without a
//! message. What is encoded for the way (base64, quoted-printable) is decoded.

use mail_parser::{Encoding, HeaderName, HeaderValue, MessageParser, PartType};

/// One message, or the text of a file that is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// Its subject, on one line; empty for text that is no message.
    pub subject: String,
    /// Its text, decoded.
    pub text: Vec<u8>,
    /// The line of the file before its text, where the text stands in the file as it is.
    pub after_line: usize,
    /// Whether its text was decoded, so that its lines are not those of the file.
    pub decoded: bool,
    /// Whether it answers another one.
    pub is_reply: bool,
    /// `2/9`, as its subject has it.
    pub number: Option<(u32, u32)>,
    /// Where it can be read; empty if it does not say.
    pub link: String,
    /// The commit on which it was made.
    pub base_commit: Option<String>,
}

/// Takes a file apart.
pub fn messages(file: &[u8]) -> Vec<Message> {
    let lines: Vec<&[u8]> = file.split_inclusive(|&byte| byte == b'\n').collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|&at| begins_message(lines[at])).collect();
    if starts.is_empty() {
        return vec![message(&lines, 0)];
    }
    let ends = starts.iter().copied().skip(1).chain([lines.len()]);
    let before = (starts[0] > 0).then(|| message(&lines[..starts[0]], 0));
    let each = starts.iter().zip(ends).map(|(&start, end)| message(&lines[start + 1..end], start + 1));
    before.into_iter().chain(each).collect()
}

/// The line between two messages of a mailbox, `From NAME Mon Sep 17 00:00:00 2001`. A sentence that begins with `From` has no
/// time of day, and then a year.
fn begins_message(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let Ok(text) = std::str::from_utf8(rest) else { return false };
    let mut words = text.split_whitespace().rev().skip_while(|word| word.starts_with(['+', '-']));
    let is_year = words.next().is_some_and(|word| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit()));
    is_year && words.next().is_some_and(|word| word.split(':').count() == 3)
}

fn message(lines: &[&[u8]], after_line: usize) -> Message {
    let raw = lines.concat();
    let plain = |text: Vec<u8>| Message { text, after_line, ..Message::default() };
    if !lines.first().is_some_and(|line| is_header(line)) {
        return plain(raw);
    }
    let Some(parsed) = MessageParser::default().parse(&raw) else { return plain(raw) };
    let decoded = parsed.parts.iter().any(|part| part.encoding != Encoding::None);
    let mut text = Vec::new();
    if decoded {
        for part in &parsed.parts {
            match &part.body {
                PartType::Text(part) => text.extend_from_slice(unix_lines(part.as_bytes()).as_slice()),
                PartType::Binary(part) => text.extend_from_slice(unix_lines(part).as_slice()),
                _ => continue,
            }
            text.push(b'\n');
        }
    }
    let body = if decoded { &text } else { &raw };
    let link = trailer(body, "Link:").or_else(|| Some(format!("https://lore.kernel.org/r/{}", parsed.message_id()?)));
    let subject = parsed.subject().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let answers = parsed.header(HeaderName::InReplyTo).is_some_and(|value| *value != HeaderValue::Empty);
    Message {
        number: number(&subject),
        is_reply: subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:")) && answers,
        link: link.unwrap_or_default(),
        base_commit: trailer(body, "base-commit:"),
        subject,
        text: if decoded { text } else { raw },
        after_line,
        decoded,
    }
}

/// `Name: value`.
fn is_header(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
    colon > 0 && line[..colon].iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The value of the last line that begins with a name, before or after the diff: hunks begin each line with a sign.
fn trailer(text: &[u8], name: &str) -> Option<String> {
    let lines = text.split(|&byte| byte == b'\n').rev();
    let value = lines.filter_map(|line| line.strip_prefix(name.as_bytes())).next()?;
    let value = String::from_utf8_lossy(value).split_whitespace().next()?.to_owned();
    Some(value)
}

/// `[PATCH v2 3/9]`: 3 of 9.
fn number(subject: &str) -> Option<(u32, u32)> {
    let (tag, _) = subject.strip_prefix('[')?.split_once(']')?;
    let (number, of) = tag.split_whitespace().find_map(|word| word.split_once('/'))?;
    Some((number.parse().ok()?, of.parse().ok()?))
}

/// Without the network's line ends, if every line has one.
pub fn unix_lines(text: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if lines.iter().rev().skip(1).all(|line| line.ends_with(b"\r")) {
        let lines: Vec<&[u8]> = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
        return lines.join(&b'\n');
    }
    text.to_vec()
}

#[cfg(test)]
mod tests {
    use super::{begins_message, messages, number};

    #[test]
    fn a_sentence_that_begins_with_from_does_not_begin_a_message() {
        assert!(begins_message(b"From 0123456789 Mon Sep 17 00:00:00 2001\n"));
        assert!(begins_message(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"));
        assert!(begins_message(b"From n@example.org Thu Jan 1 00:00:00 1970 +0100\n"));
        for sentence in ["From here on it is wrong.\n", "From 10:00:00 on\n", "From: n@example.org\n", "From 2001\n"] {
            assert!(!begins_message(sentence.as_bytes()), "{sentence}");
        }
    }

    #[test]
    fn a_subject_says_which_of_a_series_it_is() {
        assert_eq!(number("[PATCH v2 mm-hotfixes 3/9] mm: a/b"), Some((3, 9)));
        assert_eq!(number("[PATCH] mm: 3/9 of it"), None);
        assert_eq!(number("mm: [1/2]"), None);
    }

    #[test]
    fn the_link_is_the_trailer_or_else_made_of_the_message_id() {
        let mail = "Message-ID: <a.b@example.org>\nSubject: s\n\nText.\n";
        assert_eq!(messages(mail.as_bytes())[0].link, "https://lore.kernel.org/r/a.b@example.org");
        let mail = format!("{mail}Link: https://example.org/1 [1]\nLink: https://example.org/2\n");
        assert_eq!(messages(mail.as_bytes())[0].link, "https://example.org/2");
    }
}
