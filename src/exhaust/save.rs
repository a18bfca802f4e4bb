//! A search under way, as a file: a line of JSON that says of what, then the states.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::scope::{Failures, Scope};
use super::search::{Counts, Node, Search};
use crate::trace::{self, Op};
use crate::world::Symmetry;

/// The form of the file.
const FORMAT: u32 = 1;
/// Bytes of a node and its key.
const NODE_BYTES: usize = 8;
const KEY_BYTES: usize = 16;

/// What is searched: a file of another subject is not taken up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// The reference, or both.
    pub kernel: String,
    /// Of the text that was compiled.
    pub text: u64,
    /// Which driver.
    pub driver: String,
    /// Which sides.
    pub side: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    subject: Subject,
    processes: u8,
    pages: u64,
    failures: bool,
    kinds: String,
    symmetry: bool,
    /// A trace of all operations that states name.
    ops: String,
    nodes: usize,
    levels: Vec<usize>,
    cursor: usize,
    counts: Counts,
    /// Of what follows the line.
    checksum: u64,
}

/// Why a search is not taken up, or not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file cannot be read or written.
    #[error("{}: {error}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not whole, or not of this sort.
    #[error("{}: {found}; expected the file of a search: remove it to start over", file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What was found.
        found: String,
    },
    /// It is of another search.
    #[error("{}: it is of another search ({what} is {found}, now {wanted}): name another file, or remove it", file.display())]
    Other {
        /// Which file.
        file: PathBuf,
        /// What differs.
        what: &'static str,
        /// In the file.
        found: String,
        /// In what was asked for.
        wanted: String,
    },
}

impl Search {
    /// Writes it beside its place, then renames it.
    pub fn save(&self, file: &Path, subject: &Subject) -> Result<(), SaveError> {
        let mut body = Vec::with_capacity(self.nodes.len() * (NODE_BYTES + KEY_BYTES));
        for node in &self.nodes {
            body.extend(node.parent.to_le_bytes());
            body.extend(node.op.to_le_bytes());
        }
        for key in &self.seen {
            body.extend(key.to_le_bytes());
        }
        let head = Head {
            format: FORMAT,
            subject: subject.clone(),
            processes: self.scope.processes,
            pages: self.scope.pages,
            failures: self.scope.failures == Failures::All,
            kinds: self.scope.kinds.to_string(),
            symmetry: self.scope.symmetry == Symmetry::Processes,
            ops: self.ops.iter().map(|op| format!("{op}\n")).collect(),
            nodes: self.nodes.len(),
            levels: self.levels.clone(),
            cursor: self.cursor,
            counts: self.counts,
            checksum: xxh3_64(&body),
        };
        let io = |error| SaveError::Io { file: file.to_owned(), error };
        let mut beside = file.as_os_str().to_owned();
        beside.push(format!(".tmp-{}", std::process::id()));
        let write = || {
            let mut out = io::BufWriter::new(fs::File::create(&beside)?);
            serde_json::to_writer(&mut out, &head)?;
            out.write_all(b"\n")?;
            out.write_all(&body)?;
            out.into_inner()?.sync_all()?;
            fs::rename(&beside, file)
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written.map_err(io)
    }

    /// Takes up a search that was saved; none if there is no such file. The depth may be another one.
    pub fn load(file: &Path, scope: Scope, subject: &Subject) -> Result<Option<Search>, SaveError> {
        let bytes = match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| SaveError::Io { file: file.to_owned(), error })?,
        };
        let malformed = |found: String| SaveError::Malformed { file: file.to_owned(), found };
        let line = bytes.iter().position(|&byte| byte == b'\n').ok_or_else(|| malformed("no first line".into()))?;
        let head: Head = serde_json::from_slice(&bytes[..line]).map_err(|error| malformed(error.to_string()))?;
        let body = &bytes[line + 1..];
        if head.format != FORMAT {
            return Err(malformed(format!("form {}, not {FORMAT}", head.format)));
        }
        if xxh3_64(body) != head.checksum || head.nodes.checked_mul(NODE_BYTES + KEY_BYTES) != Some(body.len()) {
            return Err(malformed("its states are not whole".into()));
        }
        let all = |failures| if failures { "all" } else { "none" }.to_owned();
        let same = [
            ("the reference", head.subject.kernel.clone(), subject.kernel.clone()),
            ("what was compiled", head.subject.text.to_string(), subject.text.to_string()),
            ("the VMA code", head.subject.driver.clone(), subject.driver.clone()),
            ("the side", head.subject.side.clone(), subject.side.clone()),
            ("--procs", head.processes.to_string(), scope.processes.to_string()),
            ("--pages", head.pages.to_string(), scope.pages.to_string()),
            ("--failures", all(head.failures), all(scope.failures == Failures::All)),
            ("--only", head.kinds.clone(), scope.kinds.to_string()),
            ("symmetry", head.symmetry.to_string(), (scope.symmetry == Symmetry::Processes).to_string()),
        ];
        if let Some((what, found, wanted)) = same.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(SaveError::Other { file: file.to_owned(), what, found, wanted });
        }
        let ops: Vec<Op> = trace::parse(&head.ops).map_err(|error| malformed(error.to_string()))?.ops;
        let (nodes, keys) = body.split_at(head.nodes * NODE_BYTES);
        let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let nodes: Vec<Node> =
            nodes.chunks_exact(NODE_BYTES).map(|n| Node { parent: word(n), op: word(&n[4..]) }).collect();
        let sound =
            |(at, node): (usize, &Node)| at == 0 || ((node.parent as usize) < at && (node.op as usize) < ops.len());
        let levels = head.levels.is_sorted() && head.levels.first() == Some(&0);
        if nodes.is_empty() || !nodes.iter().enumerate().all(sound) || !levels || head.cursor > nodes.len() {
            return Err(malformed("its states make no sense".into()));
        }
        let key = |bytes: &[u8]| bytes.try_into().map(u128::from_le_bytes).unwrap_or_default();
        let seen: HashSet<u128, _> = keys.chunks_exact(KEY_BYTES).map(key).collect();
        let mut search = Search::resumed(scope, ops, nodes, seen);
        (search.levels, search.cursor, search.counts) = (head.levels, head.cursor, head.counts);
        Ok(Some(search))
    }
}
