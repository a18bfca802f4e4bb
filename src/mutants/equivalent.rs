//! Mutants that no state can show, each with the reason: `tests/equivalent-mutants`, which people review.
//!
//! It is of no one kernel: an entry is known by function, operator and text. One that is of no mutant of any reference, or of
//! one that was killed, is an error, so that the file cannot hide what the checks have learnt to find.

use std::path::Path;

use serde::Deserialize;

use super::{Fate, Mutant, MutantsError};

/// The reviewed file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Equivalents {
    entries: Vec<Entry>,
}

/// Mutants of a function that are equivalent for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    /// The functions.
    functions: Vec<String>,
    /// `operator: before`, or `operator: before => after`; ` #2` behind means the second such alone.
    mutants: Vec<String>,
    /// The references, if it is so only there: names.
    #[serde(default)]
    kernels: Vec<String>,
    /// Why no state can show them.
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    equivalent: Vec<Form>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    functions: Vec<String>,
    kernels: Vec<String>,
    key: String,
    nth: Option<u32>,
    reason: String,
}

impl Entry {
    fn is_of(&self, kernel: &str, mutant: &Mutant) -> bool {
        let Mutant { operator, before, .. } = mutant;
        (self.kernels.is_empty() || self.kernels.iter().any(|name| name == kernel))
            && self.functions.contains(&mutant.function)
            && self.nth.is_none_or(|nth| nth == mutant.nth)
            && (self.key == format!("{operator}: {before}") || self.key == format!("{operator}: {}", mutant.change()))
    }
}

impl Equivalents {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is not there, or not of its form.
    pub fn read(path: &Path) -> Result<Equivalents, MutantsError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| MutantsError::Io { path: shown.clone(), error })?;
        Self::parse(&text).map_err(|reason| MutantsError::Bad { path: shown, reason })
    }

    fn parse(text: &str) -> Result<Equivalents, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let mut entries: Vec<Entry> = Vec::new();
        for form in file.equivalent {
            let reason = form.reason.trim();
            if reason.is_empty() || form.mutants.is_empty() || form.functions.is_empty() {
                return Err(format!("an entry of {:?} without functions, mutants or reason", form.functions));
            }
            for text in &form.mutants {
                let (key, nth) = match text.rsplit_once(" #") {
                    Some((key, nth)) if nth.parse::<u32>().is_ok() => (key, nth.parse().ok()),
                    _ => (text.as_str(), None),
                };
                if !key.contains(": ") {
                    return Err(format!("found {text:?}, expected `operator: text`"));
                }
                entries.push(Entry {
                    functions: form.functions.clone(),
                    kernels: form.kernels.clone(),
                    key: key.to_owned(),
                    nth,
                    reason: reason.to_owned(),
                });
            }
        }
        Ok(Equivalents { entries })
    }

    /// Why a mutant is equivalent, if somebody has said so.
    pub fn reason(&self, kernel: &str, mutant: &Mutant) -> Option<&str> {
        self.entries.iter().find(|entry| entry.is_of(kernel, mutant)).map(|entry| entry.reason.as_str())
    }

    /// Why a mutant is left out of the score: it is equivalent, or nothing reaches its line, as `tests/unreached.toml` says and
    /// no trace refutes.
    pub fn left_out<'a>(&'a self, kernel: &str, mutant: &'a Mutant, fate: Option<&Fate>) -> Option<&'a str> {
        let unreached = mutant.unreached.as_deref().filter(|_| fate == Some(&Fate::Unreached));
        self.reason(kernel, mutant).or(unreached)
    }

    /// The entries that are of none of these references' mutants.
    pub fn stale(&self, tables: &[(&str, &[Mutant])]) -> Vec<String> {
        let matches = |entry: &Entry| {
            tables.iter().any(|(kernel, mutants)| mutants.iter().any(|mutant| entry.is_of(kernel, mutant)))
        };
        let stale = self.entries.iter().filter(|entry| !matches(entry));
        stale.map(|entry| format!("{}: {}", entry.functions.join(", "), entry.key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(before: &str, after: &str, nth: u32) -> Mutant {
        Mutant {
            number: 1,
            group: "rmap".into(),
            file: "mm/rmap.c".into(),
            line: 1,
            function: "f".into(),
            operator: "off-by-one".into(),
            before: before.into(),
            after: after.into(),
            nth,
            unreached: None,
        }
    }

    #[test]
    fn a_line_that_nothing_reaches_excuses_no_mutant_that_a_trace_reached() {
        let unreached = Mutant { unreached: Some("no such page".into()), ..mutant("a < b", "a <= b", 1) };
        let none = Equivalents::default();
        assert_eq!(none.left_out("7.3", &unreached, Some(&Fate::Unreached)), Some("no such page"));
        assert_eq!(none.left_out("7.3", &unreached, Some(&Fate::Survived { ms: 1 })), None);
        assert_eq!(none.left_out("7.3", &mutant("a < b", "a <= b", 1), Some(&Fate::Unreached)), None);
    }

    #[test]
    fn entries_are_known_by_function_operator_and_text() {
        let text = "[[equivalent]]\nfunctions = ['f']\nmutants = ['off-by-one: a < b', 'off-by-one: c < d => c <= d #2']\n\
                    reason = 'r'\n";
        let all = Equivalents::parse(text).unwrap();
        assert_eq!(all.reason("6.12", &mutant("a < b", "a <= b", 3)), Some("r"));
        assert_eq!(all.reason("6.12", &mutant("a > b", "a >= b", 1)), None);
        assert_eq!(all.reason("6.12", &mutant("c < d", "c <= d", 1)), None);
        assert_eq!(all.reason("6.12", &mutant("c < d", "c <= d", 2)), Some("r"));
        let there = [mutant("a < b", "a <= b", 1)];
        assert_eq!(all.stale(&[("6.12", &there)]), ["f: off-by-one: c < d => c <= d"]);
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        let text = "[[equivalent]]\nfunctions = ['f']\nmutants = ['a: b']\nreason = ' '\n";
        assert!(Equivalents::parse(text).is_err());
        assert!(Equivalents::parse("[[equivalent]]\nfunctions = ['f']\nmutants = ['ab']\nreason = 'r'\n").is_err());
    }
}
