//! How a tree behaves, told from its source and never from its version: stable kernels take
//! single patches of a series, so mixtures are the normal case.
//!
//! The behaviours themselves are the fields of [`Revision`], in crates/seam/src/revision.rs; here is
//! the evidence for each. Each field is told by itself, from tokens without comments. Where the source shows neither the
//! old way nor the new one, or both, the tree is refused: a wrong guess would be a false alarm
//! later.

use std::path::Path;

pub use rmap_seam::Revision;

use crate::syntax::{SourceFile, SyntaxError};

mod detect;
mod evidence;

/// The behaviour of a tree cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// A file cannot be read.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A function that would tell is not there.
    #[error("cannot tell `{field}`: no function {functions} in {files}")]
    NoFunction {
        /// The behaviour.
        field: &'static str,
        /// What was looked for.
        functions: String,
        /// Where.
        files: String,
    },
    /// The source shows neither way, or both.
    #[error(
        "cannot tell `{field}` of {function}() in {file}: {found}; looked for {wanted}. A generation that behaves \
         in a new way needs a field of its own in the revision (crates/seam/src/revision.rs) and its detection here"
    )]
    Unclear {
        /// The behaviour.
        field: &'static str,
        /// The function that should tell.
        function: String,
        /// Its file.
        file: String,
        /// What is there.
        found: String,
        /// What would have told.
        wanted: &'static str,
    },
}

/// Detects the revision of a tree.
///
/// # Errors
/// If a file is missing, or the source does not tell a behaviour.
pub fn detect(tree: &Path) -> Result<Revision, RevisionError> {
    detect::detect(tree)
}

/// Whether it can be told how a tree walks the mappings of a folio, which its page-table code does.
///
/// # Errors
/// If a file is missing, or the source does not tell.
pub fn check_walks(tree: &Path) -> Result<(), RevisionError> {
    detect::walks_in_batches(&SourceFile::read(tree, "mm/rmap.c")?)?;
    detect::walk_passes_huge(tree).map(drop)
}

/// The value as Rust source, for a build script to write.
pub fn to_rust_expr(revision: &Revision) -> String {
    let fields: Vec<_> = revision.behaviours().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("Revision {{ {} }}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Revision, to_rust_expr};

    #[test]
    fn the_rust_expression_names_every_behaviour() {
        let revision = Revision { fork_preallocates: true, ..Revision::default() };
        let text = to_rust_expr(&revision);
        assert!(text.starts_with("Revision { counts_apart: false, "), "{text}");
        assert!(text.contains("fork_preallocates: true"), "{text}");
        assert_eq!(text.matches(": ").count(), revision.behaviours().count(), "{text}");
    }
}
