//! Which Debian archives a machine is configured with, and how one is written as a source.

use std::process::Command;

use super::DebianError;
use crate::process;

/// One suite of a Debian archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository {
    /// The mirror.
    pub uri: String,
    /// The suite, as the machine's sources call it: `bookworm`, `bookworm-security`.
    pub release: String,
    /// The keyring that its signature is checked with; may be empty.
    pub signed_by: String,
    /// `Debian`, `Debian-Security`, `Debian Backports`.
    pub label: String,
}

impl Repository {
    /// Whether this is the archive that all suites but the security ones are in.
    pub fn is_main_archive(&self) -> bool {
        matches!(self.label.as_str(), "Debian" | "Debian Backports")
    }

    /// A stanza of a `.sources` file, packages of component main alone.
    pub fn stanza(&self, keyring: &str) -> String {
        format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nTargets: Packages\nSigned-By: {keyring}\n",
            self.uri, self.release
        )
    }
}

/// Debian's repositories among those that apt has lists of.
pub fn index_targets(apt_get: &mut Command) -> Result<Vec<Repository>, DebianError> {
    let format = "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(SIGNED_BY)";
    let lines = process::run(apt_get.args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    let mut found = Vec::new();
    for line in lines.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [origin, label, uri, release, component, signed_by] = fields[..] else { continue };
        if origin != "Debian" || component != "main" {
            continue;
        }
        let repository = Repository {
            uri: uri.to_owned(),
            release: release.to_owned(),
            signed_by: signed_by.to_owned(),
            label: label.to_owned(),
        };
        if !found.contains(&repository) {
            found.push(repository);
        }
    }
    Ok(found)
}
