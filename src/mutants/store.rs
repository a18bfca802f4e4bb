//! What came of each mutant, kept in a file of JSON lines: the first says what was asked, each other is a [`Record`].
//!
//! A run that was interrupted goes on where it was; one that asks for something else starts over.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Budget, Mode, MutantsError, Place};

/// What was asked: records of another question are of no use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The reference.
    pub kernel: String,
    /// What tells this binary from any other: a change of a check may change every answer.
    pub build: String,
    /// How long each mutant was hunted.
    pub ops: u64,
    /// With how many seeds.
    pub seeds: u32,
    /// How many of 1000 operations failed, if it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_per_mille: Option<u32>,
}

/// How a mutant was found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kill {
    /// The signature of the finding; or `crash`, `hang` or `panic`, and what there is to say of it.
    pub by: String,
    /// The trace that found it.
    pub place: Place,
    /// Operations until then, all traces together; of a crash or hang those of its whole trace.
    pub ops: u64,
    /// Milliseconds until then, from the start of the process on.
    pub ms: u64,
    /// The trace, as small as it got.
    pub trace: String,
}

/// What came of a mutant by one judge.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was found.
    Killed(Kill),
    /// It was not, in so many milliseconds.
    Survived {
        /// Milliseconds.
        ms: u64,
    },
    /// No trace comes to its place.
    Unreached,
}

impl Fate {
    /// How it was found, if it was.
    pub fn kill(&self) -> Option<&Kill> {
        match self {
            Fate::Killed(kill) => Some(kill),
            _ => None,
        }
    }
}

/// What came of a mutant by one judge.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its number.
    pub mutant: u32,
    /// The judge.
    pub mode: Mode,
    /// What came of it.
    pub fate: Fate,
}

/// What came of all mutants of a reference so far.
pub type MutantFates = HashMap<(u32, Mode), Fate>;

/// The file.
pub struct Store {
    path: PathBuf,
    file: File,
    /// What is in it.
    pub outcome: MutantFates,
}

impl Budget {
    /// What a header keeps of it.
    pub fn header(self, kernel: &str, build: String) -> Header {
        let Budget { ops, seeds, fail_per_mille, .. } = self;
        Header { kernel: kernel.to_owned(), build, ops, seeds, fail_per_mille }
    }
}

impl Store {
    /// Opens the file of a question, with what is in it if it was the same; else empty.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn open(path: &Path, header: &Header) -> Result<Store, MutantsError> {
        let io = |error| MutantsError::Io { path: path.display().to_string(), error };
        let mut outcome = MutantFates::new();
        let mut same = false;
        if let Ok(file) = File::open(path) {
            let mut lines = BufReader::new(file).lines().map_while(Result::ok);
            same = lines.next().is_some_and(|line| serde_json::from_str(&line).is_ok_and(|old: Header| old == *header));
            if same {
                // The last line may be torn: what it was about is done again.
                for record in lines.filter_map(|line| serde_json::from_str::<Record>(&line).ok()) {
                    outcome.insert((record.mutant, record.mode), record.fate);
                }
            }
        }
        if !same {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir).map_err(io)?;
            }
            let beside = path.with_extension("new");
            let line = serde_json::to_string(header).map_err(|error| io(error.into()))?;
            fs::write(&beside, line + "\n").map_err(io)?;
            fs::rename(&beside, path).map_err(io)?;
        }
        let mut file = File::options().append(true).open(path).map_err(io)?;
        // After a torn line, so that the next one is whole.
        file.write_all(b"\n").map_err(io)?;
        Ok(Store { path: path.to_owned(), file, outcome })
    }

    /// Opens it with what an older build has found, whatever was asked then; what that did not find is forgotten.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn open_kills(path: &Path, header: &Header) -> Result<Store, MutantsError> {
        let mut kills = Vec::new();
        if let Ok(text) = fs::read_to_string(path) {
            let records = text.lines().skip(1).filter_map(|line| serde_json::from_str::<Record>(line).ok());
            kills.extend(records.filter(|record| record.fate.kill().is_some()));
        }
        let _ = fs::remove_file(path);
        let mut store = Self::open(path, header)?;
        kills.into_iter().try_for_each(|kill| store.keep(kill))?;
        Ok(store)
    }

    /// Keeps a record.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&mut self, record: Record) -> Result<(), MutantsError> {
        let io = |error| MutantsError::Io { path: self.path.display().to_string(), error };
        let line = serde_json::to_string(&record).map_err(|error| io(error.into()))? + "\n";
        self.file.write_all(line.as_bytes()).map_err(io)?;
        self.outcome.insert((record.mutant, record.mode), record.fate);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ops: u64) -> Header {
        Header { kernel: "6.12".into(), build: "b".into(), ops, seeds: 5, fail_per_mille: None }
    }

    #[test]
    fn an_interrupted_run_goes_on_and_another_question_starts_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/6.12.jsonl");
        let record = |mutant| Record { mutant, mode: Mode::Alone, fate: Fate::Survived { ms: 3 } };
        let mut store = Store::open(&path, &header(10)).unwrap();
        store.keep(record(1)).unwrap();
        store.keep(record(2)).unwrap();
        drop(store);
        // The process died while it wrote.
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(br#"{"mutant":3,"mode":"al"#).unwrap();
        let mut store = Store::open(&path, &header(10)).unwrap();
        assert_eq!(store.outcome.len(), 2);
        store.keep(record(3)).unwrap();
        drop(store);
        assert_eq!(Store::open(&path, &header(10)).unwrap().outcome.len(), 3);
        assert_eq!(Store::open(&path, &header(11)).unwrap().outcome.len(), 0);
        assert_eq!(Store::open(&path, &header(10)).unwrap().outcome.len(), 0);
    }
}
