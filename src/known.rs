//! Findings that are known: a file of signatures, each with the kernels that show it, a trace, and why it happens.
//!
//! What is done about them in a run is [`Lockstep::tolerate`](crate::check::Lockstep::tolerate).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use toml::Spanned;

use crate::session::{Session, SessionError, VmaCode};
use crate::trace::{self, KernelVersion, Trace, Versions};

/// The directory that is built in: the file, and beside it the traces that it names.
const EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/findings");
const EMBEDDED_NAME: &str = "findings/known.toml";
/// The compiler knows of this file that it was read, and of the directory not: an entry for a new trace has the directory read
/// again.
const EMBEDDED_FILE: &str = include_str!("../findings/known.toml");

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownFinding {
    /// [`Finding::signature`](crate::check::Finding::signature)
    pub signature: String,
    /// The references that show it: names, or [`Versions`] (`7.2`, `7.`, `6.12..7.1`).
    pub kernels: Vec<String>,
    /// The file of a trace that finds it, beside the file that this is from.
    pub trace: String,
    /// What the distribution's kernel does with the trace when it is booted (`make ground-truth`), if it was tried.
    pub booted: Option<Booted>,
    /// Why it happens, and whether it matters: the first line says it in short.
    pub explanation: String,
}

/// What a booted kernel does with the trace of a finding. That its graph is that of the userland run is checked in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Booted {
    /// It warns on its console.
    Warns,
    /// It does not.
    Silent,
}

impl fmt::Display for Booted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Booted::Warns => "warns",
            Booted::Silent => "silent",
        })
    }
}

impl KnownFinding {
    /// Whether it is known of a reference of that name and version.
    pub fn is_of(&self, name: &str, version: &str) -> bool {
        let version = KernelVersion::of_release(version);
        let is_of = |kernel: &String| Versions::parse(kernel).is_some_and(|versions| versions.contain(version));
        self.kernels.iter().any(|kernel| kernel == name || is_of(kernel))
    }

    /// The first line of the explanation.
    pub fn headline(&self) -> &str {
        self.explanation.lines().next().unwrap_or("")
    }
}

/// A file of known findings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownFindings {
    /// In the order of the file.
    pub findings: Vec<KnownFinding>,
    /// Where it was read from; none: it is built in.
    file: Option<PathBuf>,
}

/// What is wrong with a file of known findings, or with a trace that it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownError {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1; none: the file as a whole.
    pub line: Option<usize>,
    /// What was found.
    pub found: String,
    /// What was wanted.
    pub wanted: String,
}

impl fmt::Display for KnownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " found {}, {}", self.found, self.wanted)
    }
}

impl std::error::Error for KnownError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    #[serde(default)]
    finding: Vec<EntryForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    signature: Spanned<String>,
    kernels: Spanned<Vec<String>>,
    trace: Spanned<String>,
    booted: Option<Booted>,
    explanation: Spanned<String>,
}

/// The signatures that a session tolerates.
pub fn signatures(known: &[KnownFinding]) -> Vec<String> {
    known.iter().map(|known| known.signature.clone()).collect()
}

impl KnownFindings {
    /// The ones that are built in.
    pub fn embedded() -> KnownFindings {
        Self::parse(EMBEDDED_FILE, None).unwrap_or_else(|error| panic!("the file that is built in: {error}"))
    }

    /// Those of a file; no file: [the ones that are built in](Self::embedded); `none`: none.
    pub fn read(file: Option<&Path>) -> Result<KnownFindings, KnownError> {
        match file {
            None => Ok(Self::embedded()),
            Some(none) if none == Path::new("none") => Ok(KnownFindings { findings: Vec::new(), file: None }),
            Some(file) => Self::parse(&read(file)?, Some(file)),
        }
    }

    /// Those of a reference of that name and version.
    pub fn of(&self, name: &str, version: &str) -> Vec<KnownFinding> {
        self.findings.iter().filter(|known| known.is_of(name, version)).cloned().collect()
    }

    /// The trace of one of them.
    pub fn trace(&self, known: &KnownFinding) -> Result<Trace, KnownError> {
        let file = self.file.as_deref().unwrap_or(Path::new(EMBEDDED_NAME)).with_file_name(&known.trace);
        let embedded = EMBEDDED.get_file(&known.trace).filter(|_| self.file.is_none());
        let text = match embedded {
            Some(embedded) => embedded.contents().to_owned(),
            None => read(&file)?.into_bytes(),
        };
        trace::parse_bytes(&text).map_err(|error| KnownError {
            file,
            line: Some(error.line),
            found: error.found,
            wanted: error.wanted,
        })
    }

    fn parse(text: &str, file: Option<&Path>) -> Result<KnownFindings, KnownError> {
        let wrong = |at: Option<usize>, found: String, wanted: &str| KnownError {
            file: file.unwrap_or(Path::new(EMBEDDED_NAME)).to_owned(),
            line: at.map(|at| text[..at.min(text.len())].matches('\n').count() + 1),
            found,
            wanted: wanted.to_owned(),
        };
        let form: FileForm = toml::from_str(text).map_err(|error| {
            let wanted = "expected [[finding]] tables of signature, kernels, trace and explanation";
            wrong(error.span().map(|span| span.start), error.message().trim().to_owned(), wanted)
        })?;
        let mut findings: Vec<KnownFinding> = Vec::new();
        for entry in form.finding {
            let EntryForm { signature, kernels, trace, booted, explanation } = entry;
            let kinds = ["violate ", "differ ", "undecodable "];
            let at = |spanned: std::ops::Range<usize>| Some(spanned.start);
            if !kinds.iter().any(|kind| signature.as_ref().starts_with(kind)) {
                let found = format!("signature `{}`", signature.as_ref());
                return Err(wrong(
                    at(signature.span()),
                    found,
                    "expected the first line of a report: violate, differ or undecodable ...",
                ));
            }
            if kernels.as_ref().is_empty() || kernels.as_ref().iter().any(String::is_empty) {
                let wanted = "expected names of references or beginnings of versions";
                return Err(wrong(at(kernels.span()), "no kernel, or an empty name".into(), wanted));
            }
            if Path::new(trace.as_ref()).file_name() != Some(trace.as_ref().as_ref()) {
                let found = format!("trace `{}`", trace.as_ref());
                return Err(wrong(at(trace.span()), found, "expected the name of a file beside this one"));
            }
            if explanation.as_ref().trim().is_empty() {
                return Err(wrong(
                    at(explanation.span()),
                    "no explanation".into(),
                    "expected why it happens, and whether it matters",
                ));
            }
            let span = signature.span();
            let known = KnownFinding {
                signature: signature.into_inner(),
                kernels: kernels.into_inner(),
                trace: trace.into_inner(),
                booted,
                explanation: explanation.into_inner().trim().to_owned(),
            };
            let twice = |other: &KnownFinding| {
                other.signature == known.signature && other.kernels.iter().any(|kernel| known.kernels.contains(kernel))
            };
            if findings.iter().any(twice) {
                let found = format!("signature `{}` a second time for the same kernel", known.signature);
                return Err(wrong(at(span), found, "expected each once"));
            }
            findings.push(known);
        }
        Ok(KnownFindings { findings, file: file.map(Path::to_owned) })
    }
}

fn read(file: &Path) -> Result<String, KnownError> {
    fs::read_to_string(file).map_err(|error| KnownError {
        file: file.to_owned(),
        line: None,
        found: error.to_string(),
        wanted: "expected a list of known findings (findings/known.toml), or `none`".into(),
    })
}

/// What came of playing the trace of a known finding on a reference that it is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replayed {
    /// It finds what it is known to find.
    StillThere,
    /// It does not; and what it finds instead, if anything.
    Gone(Option<String>),
    /// It was not played: the reference has no VMA code of its own.
    NoKernelVma(SessionError),
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replayed::StillThere => f.write_str("still there"),
            Replayed::Gone(None) => f.write_str("GONE: its trace finds nothing"),
            Replayed::Gone(Some(other)) => write!(f, "GONE: its trace finds something else: {other}"),
            Replayed::NoKernelVma(error) => write!(f, "not played: {error}"),
        }
    }
}

impl KnownFindings {
    /// Plays the trace of one of them, tolerating the others, on a reference by its own VMA code, with its page-table code if
    /// the trace has operations on pages, and on the port.
    pub fn replay(
        &self,
        known: &KnownFinding,
        trace: &Trace,
        reference: &'static crate::kernel::Reference,
    ) -> Replayed {
        let mut session = Session::new(reference).with_vma(VmaCode::needed_by(trace));
        let others = self.of(reference.name, reference.version).into_iter().map(|other| other.signature);
        session.tolerated = others.filter(|other| *other != known.signature).collect();
        let mut player = match session.player() {
            Ok(player) => player,
            Err(error) => return Replayed::NoKernelVma(error),
        };
        match player.play(trace).finding.map(|finding| finding.signature()) {
            Some(signature) if signature == known.signature => Replayed::StillThere,
            other => Replayed::Gone(other),
        }
    }
}
