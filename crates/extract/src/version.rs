//! The version of a kernel tree, as its top Makefile states it, and the order of versions.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;

/// The Makefile does not say which version the tree is.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// There is none, or it cannot be read.
    #[error("{path}: {error}; a reference needs the top Makefile of the kernel tree, which states the version")]
    Unreadable {
        /// The Makefile.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// A line is missing or is no number.
    #[error("{path}: no line `{variable} = <number>`; is this the top Makefile of a kernel tree?")]
    NoVariable {
        /// The Makefile.
        path: String,
        /// `VERSION`, `PATCHLEVEL` or `SUBLEVEL`.
        variable: &'static str,
    },
}

impl VersionError {
    /// The same of the Makefile of a tree by another name.
    pub(crate) fn of(mut self, tree: &str) -> Self {
        match &mut self {
            Self::Unreadable { path, .. } | Self::NoVariable { path, .. } => *path = format!("{tree}: Makefile"),
        }
        self
    }
}

/// A kernel version: `6.12.117`, `6.19.0-rc3`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelVersion {
    /// `VERSION`.
    pub major: u32,
    /// `PATCHLEVEL`.
    pub minor: u32,
    /// `SUBLEVEL`.
    pub sub: u32,
    /// `EXTRAVERSION`, with its dash; empty for a release.
    pub extra: String,
}

impl KernelVersion {
    /// Reads the top Makefile of a tree.
    pub fn of_tree(tree: &Path) -> Result<Self, VersionError> {
        let path = tree.join("Makefile");
        let shown = path.display().to_string();
        let text =
            std::fs::read_to_string(&path).map_err(|error| VersionError::Unreadable { path: shown.clone(), error })?;
        let value = |variable: &str| {
            text.lines().take(40).find_map(|line| {
                let (name, value) = line.split_once('=')?;
                (name.trim() == variable).then(|| value.trim().to_owned())
            })
        };
        let number = |variable: &'static str| {
            value(variable)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| VersionError::NoVariable { path: shown.clone(), variable })
        };
        Ok(Self {
            major: number("VERSION")?,
            minor: number("PATCHLEVEL")?,
            sub: number("SUBLEVEL")?,
            extra: value("EXTRAVERSION").unwrap_or_default(),
        })
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..digits].split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        let sub = numbers.next().unwrap_or(Ok(0)).ok()?;
        if numbers.next().is_some() {
            return None;
        }
        Some(Self { major, minor, sub, extra: text[digits..].to_owned() })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}{}", self.major, self.minor, self.sub, self.extra)
    }
}

impl Ord for KernelVersion {
    /// `-rc` sorts before its release, any other suffix after it.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |v: &Self| {
            let stage = match v.extra.strip_prefix("-rc") {
                Some(rc) => (0, rc.parse().unwrap_or(0)),
                None => (1, 0u32),
            };
            (v.major, v.minor, v.sub, stage)
        };
        key(self).cmp(&key(other)).then_with(|| self.extra.cmp(&other.extra))
    }
}

impl PartialOrd for KernelVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::KernelVersion;

    #[test]
    fn release_candidates_sort_before_their_release_and_numbers_as_numbers() {
        let mut all: Vec<_> = ["6.19.0", "6.2.9", "6.19.0-rc10", "6.19.0-rc2", "6.12.117", "6.19.0-mm1"]
            .into_iter()
            .filter_map(KernelVersion::parse)
            .collect();
        all.sort();
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["6.2.9", "6.12.117", "6.19.0-rc2", "6.19.0-rc10", "6.19.0", "6.19.0-mm1"]);
        assert_eq!(KernelVersion::parse("6"), None);
        assert_eq!(KernelVersion::parse("6.1.2.3"), None);
    }
}
