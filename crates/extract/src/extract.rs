//! Cuts the kernel's own text out of a tree, as the manifest says, and writes it for the compiler.
//!
//! Text is taken by byte range and never changed; what is added (line markers, renaming macros,
//! prototypes) stands between the pieces.

use std::path::Path;

use serde::Serialize;

use crate::cache::{AppliedPatch, Reference};
use crate::features::Features;
use crate::manifest::Manifest;
use crate::revision::{self, Revision, RevisionError};
use crate::syntax::{Condition, Definition, Kind, SourceFile, SyntaxError};
use crate::version::{KernelVersion, VersionError};

pub mod closure;
mod cut;
mod write;

/// The prefix of an entry point's definition; the plain name is the wrapper's.
pub const VERBATIM: &str = "verbatim_";

/// A tree cannot be cut.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// A file is broken.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A whole file is missing.
    #[error(
        "{file}: not in the tree; it is needed whole. If the kernel moved it, say so in csrc/manifest.toml; \
         if the tree is incomplete, bring this file too"
    )]
    MissingFile {
        /// Which.
        file: String,
    },
    /// The tree is not of the kind that the VMA layer is for.
    #[error("no {file} in the tree: {reason}")]
    NoLayer {
        /// The file that every such tree has.
        file: String,
        /// What its absence means.
        reason: String,
    },
    /// A definition is missing.
    #[error(
        "{files}: no definition of {symbols} ({group}) at file level. If the kernel moved or renamed it, \
         say so in csrc/manifest.toml (of the VMA layer: csrc/vma.toml); if a patch removed it, this tree has no such \
         behaviour to test"
    )]
    Missing {
        /// The manifest's group.
        group: String,
        /// What was looked for.
        symbols: String,
        /// Where.
        files: String,
    },
    /// A definition seems to be there, but not at file level.
    #[error(
        "{file}:{line}: {symbol} ({group}) begins here and is no whole definition at file level. \
         A brace seems to be lost here or above: compare the file with its original"
    )]
    Swallowed {
        /// The manifest's group.
        group: String,
        /// What was looked for.
        symbol: String,
        /// The file.
        file: String,
        /// The line that looks like it, from 1.
        line: usize,
    },
    /// A definition is there more than once.
    #[error(
        "{symbol} is defined more than once: {places}. Which one is meant cannot be told: take one away, \
         or put them under different conditionals"
    )]
    Twice {
        /// What.
        symbol: String,
        /// Files and lines.
        places: String,
    },
    /// The extract cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// Which file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The tree does not say its version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The tree's behaviour cannot be told.
    #[error(transparent)]
    Revision(#[from] RevisionError),
}

/// One piece of kernel text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// What it defines; of a whole file, its path.
    pub symbol: String,
    /// The file, as the kernel calls it.
    pub file: String,
    /// Its first line, from 1.
    pub first_line: usize,
    /// Its last line, from 1, inclusive.
    pub last_line: usize,
    /// The file of the extract that it goes to.
    pub into: String,
    /// Whether it is defined with the prefix [`VERBATIM`].
    pub wrapped: bool,
    /// The text, byte for byte.
    pub text: String,
    /// The parameters of a function.
    #[serde(skip)]
    parameters: Parameters,
    /// The conditionals to repeat around it: only where both branches are cut.
    #[serde(skip)]
    conditions: Vec<Condition>,
    #[serde(skip)]
    order: (usize, usize),
}

/// The parameters of a function; of anything else, none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Parameters {
    count: usize,
    /// Their text, with one space wherever there is space.
    text: String,
}

impl Parameters {
    fn of(file: &SourceFile, definition: &Definition) -> Parameters {
        let text = file.code.get(definition.name_range.end..definition.parameters_end).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Parameters { count: definition.parameters.len(), text }
    }
}

/// The prototype of a function with external linkage in the kernel, which gets internal linkage.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Prototype {
    into: String,
    text: String,
    conditions: Vec<Condition>,
}

/// What was cut out of one tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extract {
    /// The reference's name.
    pub name: String,
    /// The tree's version.
    pub version: KernelVersion,
    /// How it behaves.
    pub revision: Revision,
    /// What it can do besides the reverse map.
    pub features: Features,
    /// Where it came from.
    pub origin: String,
    /// What was applied on top.
    pub patches: Vec<AppliedPatch>,
    /// The text, in the order of the tree within each file.
    pub pieces: Vec<Piece>,
    /// Functions and macros that the cut text calls and that are not cut: `csrc/` provides them.
    pub open_calls: Vec<String>,
    /// The macros of `revision.h` that hold.
    pub facts: Vec<String>,
    prototypes: Vec<Prototype>,
    renames: Vec<Renamed>,
}

/// A whole file with its entry points renamed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Renamed {
    file: String,
    into: String,
    /// Each with the first line of its definition and the last.
    names: Vec<(String, usize, usize)>,
}

/// Cuts a reference of the cache and tells its revision.
pub fn extract(reference: &Reference, manifest: &Manifest) -> Result<Extract, ExtractError> {
    let mut extract = extract_tree(&reference.tree(), manifest)?;
    extract.name = reference.name.clone();
    extract.origin = reference.note.origin.clone();
    extract.patches = reference.note.patches.clone();
    Ok(extract)
}

/// Cuts a tree that is no reference (yet) and tells its revision.
pub fn extract_tree(tree: &Path, manifest: &Manifest) -> Result<Extract, ExtractError> {
    let version = KernelVersion::of_tree(tree)?;
    let mut extract = cut::cut(tree, manifest)?;
    extract.version = version;
    extract.revision = revision::detect(tree)?;
    extract.features = Features::detect(tree)?;
    Ok(extract)
}

impl Extract {
    /// The piece that defines `symbol`.
    pub fn piece(&self, symbol: &str) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.symbol == symbol && piece.kind != Kind::Declaration)
    }

    /// Writes the extract for the compiler below `out`, which is created; `stubs` is the list of
    /// stand-ins that is shown with it. See [`Extract::pieces`] for what goes where; besides:
    /// prototypes, `revision.h`, `extract.txt` for people, `pieces.json` for tests.
    pub fn write(&self, out: &Path, stubs: &str) -> Result<(), ExtractError> {
        write::write(self, out, stubs)
    }

    /// The extract as a person reads it.
    pub fn to_text(&self, stubs: &str) -> String {
        write::listing(self, stubs)
    }
}
