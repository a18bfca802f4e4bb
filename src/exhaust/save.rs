//! A search under way, as a file.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Transition;
use super::scope::{Failures, Scope};
use super::search::{Counts, Node, Search, Waiting};
use crate::trace::{self, Trace};
use crate::world::Symmetry;

/// What the file begins with: what it is, and the version of its form. Then come a checksum of the rest and the rest, which
/// is [`Saved`] in postcard's encoding.
const HEADER: &[u8] = b"rmap-diff search 4\n";

/// The head, the states, the keys of the states, and the states to which sections led.
type Saved = (Head, Vec<Node>, HashSet<u128, FxBuildHasher>, Vec<Waiting>);

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
    subject: Subject,
    processes: u8,
    pages: u64,
    failures: bool,
    kinds: String,
    symmetry: bool,
    /// How many operations run together, and with how many preemptions; 0: none.
    tasks: usize,
    preemptions: u32,
    fine: bool,
    /// A trace of all transitions that states name.
    transitions: String,
    levels: Vec<usize>,
    cursor: usize,
    counts: Counts,
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
        let mut all = Trace::default();
        self.transitions.iter().for_each(|transition| transition.append_to(&mut all));
        let head = Head {
            subject: subject.clone(),
            processes: self.scope.processes,
            pages: self.scope.pages,
            failures: self.scope.failures == Failures::All,
            kinds: self.scope.tried(),
            symmetry: self.scope.symmetry == Symmetry::Processes,
            tasks: self.scope.together.map_or(0, |together| together.tasks),
            preemptions: self.scope.together.map_or(0, |together| together.preemptions),
            fine: self.scope.together.is_some_and(|together| together.fine),
            transitions: all.to_string(),
            levels: self.levels.clone(),
            cursor: self.cursor,
            counts: self.counts,
        };
        let io = |error| SaveError::Io { file: file.to_owned(), error };
        let body = postcard::to_stdvec(&(head, &self.nodes, &self.seen, &self.waiting))
            .map_err(io::Error::other)
            .map_err(io)?;
        let mut beside = file.as_os_str().to_owned();
        beside.push(format!(".tmp-{}", std::process::id()));
        let write = || {
            let mut out = fs::File::create(&beside)?;
            out.write_all(HEADER)?;
            out.write_all(&xxh3_64(&body).to_le_bytes())?;
            out.write_all(&body)?;
            out.sync_all()?;
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
        let Some(rest) = bytes.strip_prefix(HEADER) else {
            return Err(malformed("it is not in the form of this version".into()));
        };
        let (checksum, body) = rest.split_first_chunk().ok_or_else(|| malformed("it is not whole".into()))?;
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(malformed("it is not whole".into()));
        }
        let (head, nodes, seen, waiting): Saved =
            postcard::from_bytes(body).map_err(|error| malformed(error.to_string()))?;
        let all = |failures| if failures { "all" } else { "none" }.to_owned();
        let same = [
            ("the reference", head.subject.kernel.clone(), subject.kernel.clone()),
            ("what was compiled", head.subject.text.to_string(), subject.text.to_string()),
            ("the VMA code", head.subject.driver.clone(), subject.driver.clone()),
            ("the side", head.subject.side.clone(), subject.side.clone()),
            ("--procs", head.processes.to_string(), scope.processes.to_string()),
            ("--pages", head.pages.to_string(), scope.pages.to_string()),
            ("--failures", all(head.failures), all(scope.failures == Failures::All)),
            ("--only", head.kinds.clone(), scope.tried()),
            ("--together", head.tasks.to_string(), scope.together.map_or(0, |together| together.tasks).to_string()),
            (
                "--preemptions",
                head.preemptions.to_string(),
                scope.together.map_or(0, |together| together.preemptions).to_string(),
            ),
            ("--fine", head.fine.to_string(), scope.together.is_some_and(|together| together.fine).to_string()),
            ("symmetry", head.symmetry.to_string(), (scope.symmetry == Symmetry::Processes).to_string()),
        ];
        if let Some((what, found, wanted)) = same.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(SaveError::Other { file: file.to_owned(), what, found, wanted });
        }
        let all = trace::parse(&head.transitions).map_err(|error| malformed(error.to_string()))?;
        let transitions = Transition::all_of(&all);
        let named = |node: &Node| (node.op as usize) < transitions.len();
        let sound = |(at, node): (usize, &Node)| at == 0 || ((node.parent as usize) < at && named(node));
        let waits = |waiting: &Waiting| (waiting.node.parent as usize) < nodes.len() && named(&waiting.node);
        let levels = head.levels.is_sorted() && head.levels.first() == Some(&0);
        let states = nodes.iter().enumerate().all(sound) && waiting.iter().all(waits);
        if nodes.is_empty() || !states || !levels || head.cursor > nodes.len() {
            return Err(malformed("its states make no sense".into()));
        }
        let mut search = Search::resumed(scope, 0, transitions);
        (search.nodes, search.seen, search.waiting) = (nodes, seen, waiting);
        (search.levels, search.cursor, search.counts) = (head.levels, head.cursor, head.counts);
        Ok(Some(search))
    }
}
