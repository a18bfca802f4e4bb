//! Trees from Debian's `linux-source-VERSION` packages, without touching the machine's apt.

use std::fs;
use std::path::Path;

use crate::cache::CacheError;
use crate::process::ProcessError;
use crate::source::{self, SourceError};

mod apt;
mod sources;

pub use apt::Apt;

/// Suites that may hold what the machine's own sources do not: first those that move on, then
/// those that older machines and older kernels are from.
pub(crate) const OTHER_SUITES: [&[&str]; 2] = [&["trixie-backports", "forky", "sid"], &["trixie", "bookworm"]];

/// A package could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// The private apt state cannot be set up.
    #[error("{path}: {error}")]
    Io {
        /// Which path.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// What was asked for is no kernel version.
    #[error("`{0}` is no kernel version: 6.12 (that one), or 7 (the newest 7.x) is wanted")]
    BadVersion(String),
    /// The machine is configured with no Debian archive.
    #[error("apt on this machine is configured with no Debian archive, so there is no mirror to ask{details}")]
    NoMirror {
        /// What apt said.
        details: String,
    },
    /// No list could be read.
    #[error("the package archive cannot be read{details}")]
    Unreachable {
        /// What apt said.
        details: String,
    },
    /// No suite has it.
    #[error("no package {package} in {suites}{details}")]
    NoPackage {
        /// What was looked for.
        package: String,
        /// Where.
        suites: String,
        /// Which suites could not be read, and why.
        details: String,
    },
    /// The package was to be downloaded and is not there.
    #[error("{package}: apt-get download succeeded and left no package")]
    NoDownload {
        /// Which.
        package: String,
    },
    /// A program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The package could not be unpacked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cache could not take it.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// What is asked of the archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// `6.12`: exactly this one.
    Exactly(String),
    /// `7`: the newest of this major version.
    Newest(u32),
}

impl Wanted {
    /// Reads `6.12` or `7`.
    pub fn parse(text: &str) -> Result<Self, DebianError> {
        let number = |text: &str| (text.len() < 4).then(|| text.parse::<u32>().ok()).flatten();
        match text.split_once('.') {
            None => number(text).map(Self::Newest),
            Some((major, minor)) => {
                number(major).zip(number(minor)).map(|(major, minor)| Self::Exactly(format!("{major}.{minor}")))
            }
        }
        .ok_or_else(|| DebianError::BadVersion(text.to_owned()))
    }

    fn pattern(&self) -> String {
        match self {
            Self::Exactly(version) => format!("linux-source-{version}"),
            Self::Newest(major) => format!("linux-source-{major}.*"),
        }
    }

    /// `7.3` if that is what is wanted; the order among several is that of the numbers.
    fn matches(&self, name: &str) -> Option<(u32, String)> {
        let version = name.strip_prefix("linux-source-")?;
        let (major, minor) = version.split_once('.')?;
        let minor: u32 = minor.parse().ok()?;
        let fits = match self {
            Self::Exactly(wanted) => wanted == version,
            Self::Newest(wanted) => major.parse() == Ok(*wanted),
        };
        fits.then(|| (minor, version.to_owned()))
    }
}

/// A package of the archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// `linux-source-6.12`.
    pub name: String,
    /// `6.12.117-1~deb12u1`.
    pub version: String,
    /// `6.12`: the reference's name.
    pub kernel: String,
}

/// Asks the archive for what is wanted: the machine's own sources first, then other suites.
pub fn find(apt: &mut Apt, wanted: &Wanted) -> Result<Package, DebianError> {
    apt.open_own()?;
    let mut suites = vec!["the machine's own sources"];
    // The newest of all may be in a suite that the machine does not use.
    if matches!(wanted, Wanted::Exactly(_))
        && let Some(package) = best(apt, wanted)?
    {
        return Ok(package);
    }
    for others in OTHER_SUITES {
        apt.open_suites(others)?;
        suites.extend(others);
        if let Some(package) = best(apt, wanted)? {
            return Ok(package);
        }
    }
    let details = apt.complaints();
    Err(DebianError::NoPackage { package: wanted.pattern(), suites: suites.join(", "), details })
}

fn best(apt: &Apt, wanted: &Wanted) -> Result<Option<Package>, DebianError> {
    let names = apt.package_names("linux-source-")?;
    let mut found: Vec<_> = names.iter().filter_map(|name| Some((wanted.matches(name)?, name))).collect();
    found.sort();
    while let Some(((_, kernel), name)) = found.pop() {
        if let Some(version) = apt.newest_version(name)? {
            return Ok(Some(Package { name: name.clone(), version, kernel }));
        }
    }
    Ok(None)
}

/// Downloads a package and unpacks its needed paths into `to`; the package is deleted again.
pub fn bring(apt: &Apt, package: &Package, to: &Path, scratch: &Path) -> Result<String, DebianError> {
    let file = apt.download(package)?;
    let unpacked = source::unpack_linux_source(&file, to, scratch);
    fs::remove_file(&file).map_err(|error| DebianError::Io { path: file.display().to_string(), error })?;
    unpacked?;
    Ok(format!("Debian package {} {}", package.name, package.version))
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn a_major_version_alone_means_the_newest_and_minors_compare_as_numbers() {
        let wanted = Wanted::parse("7").unwrap();
        let mut found: Vec<_> = ["linux-source-7.9", "linux-source-7.10", "linux-source-6.12", "linux-source"]
            .into_iter()
            .filter_map(|name| wanted.matches(name))
            .collect();
        found.sort();
        assert_eq!(found.pop(), Some((10, "7.10".to_owned())));
        assert_eq!(found.len(), 1);
        for bad in ["", "7.", "v7", "7.2.1", "-7", "7.x"] {
            assert!(Wanted::parse(bad).is_err(), "{bad}");
        }
    }
}
