//! The mutants of a reference, as the build wrote them down.

use serde::{Deserialize, Serialize};

use super::MutantsError;
use crate::kernel::{self, Reference};

/// One fault that can be chosen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mutant {
    /// What chooses it, from 1.
    pub number: u32,
    /// The score that it belongs to: `rmap` or `vma`.
    pub group: String,
    /// The file, as the kernel calls it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function.
    pub function: String,
    /// What was done, `drop-statement`.
    pub operator: String,
    /// The text that it applies to, in one line.
    pub before: String,
    /// What stands there instead; empty: nothing.
    pub after: String,
    /// Which of those in the function with the same operator and text, from 1.
    pub nth: u32,
    /// Why nothing reaches its line, if `tests/unreached.toml` says so.
    #[serde(default)]
    pub unreached: Option<String>,
}

impl Mutant {
    /// The part of the change that people read: `before => after`.
    pub fn change(&self) -> String {
        match self.after.is_empty() {
            true => self.before.clone(),
            false => format!("{} => {}", self.before, self.after),
        }
    }
}

/// The mutants of a reference.
///
/// # Errors
/// If this is an ordinary build.
pub fn table(reference: &Reference) -> Result<Vec<Mutant>, MutantsError> {
    let json = kernel::mutants::table(reference).ok_or(MutantsError::Ordinary)?;
    serde_json::from_str(json)
        .map_err(|error| MutantsError::Bad { path: "the table of mutants".into(), reason: error.to_string() })
}
