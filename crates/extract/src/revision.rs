//! How a tree behaves, told from its source and never from its version: stable kernels take
//! single patches of a series, so mixtures are the normal case.
//!
//! Each field is told by itself, from tokens without comments. Where the source shows neither the
//! old way nor the new one, or both, the tree is refused: a wrong guess would be a false alarm
//! later.

use std::path::Path;

use crate::syntax::SyntaxError;

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

macro_rules! revision {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// How a generation behaves: the fields of the tool's own `Revision`, where each is
        /// documented with the patch that changed it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        pub struct Revision {
            $($(#[$doc])* pub $field: bool,)*
        }

        impl Revision {
            /// Every field with its name, in order.
            pub fn fields(&self) -> Vec<(&'static str, bool)> {
                vec![$((stringify!($field), self.$field),)*]
            }
        }
    };
}

revision! {
    /// `__anon_vma_prepare()` asserts the mmap lock.
    prepare_asserts_mmap_lock,
    /// `anon_vma_clone()` and `unlink_anon_vmas()` assert the mmap lock.
    clone_and_unlink_assert,
    /// `anon_vma_fork()` allocates before it clones.
    fork_preallocates,
    /// Clone and unlink return at once for a VMA without an anon_vma.
    unfaulted_skipped,
    /// Clone and unlink lock the root once.
    one_root_lock,
    /// Clone allocates all chain entries before it links them.
    chains_preallocated,
    /// `cleanup_partial_anon_vmas()` clears the VMA's anon_vma.
    cleanup_clears_anon_vma,
    /// An anon_vma is reused for a fork only.
    reuse_only_on_fork,
    /// The interval tree is keyed by the anonymous page offset.
    keyed_by_anon_pgoff,
    /// VMAs share an anon_vma only if their anonymous page offsets follow each other, too.
    compatible_by_anon_pgoff,
    /// The index of an anonymous folio counts from the anonymous page offset.
    indexed_by_anon_pgoff,
    /// munmap splits the first VMA with the new one below.
    munmap_splits_first_below,
}

impl Revision {
    /// Tells the revision of a tree.
    pub fn detect(tree: &Path) -> Result<Self, RevisionError> {
        detect::detect(tree)
    }

    /// The value as Rust source, for a build script to write.
    pub fn to_rust_expr(&self) -> String {
        let fields: Vec<_> = self.fields().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("Revision {{ {} }}", fields.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::Revision;

    #[test]
    fn the_rust_expression_names_every_field() {
        let text = Revision { fork_preallocates: true, ..Revision::default() }.to_rust_expr();
        assert!(text.starts_with("Revision { prepare_asserts_mmap_lock: false, "), "{text}");
        assert!(text.contains("fork_preallocates: true") && text.matches(": ").count() == 12, "{text}");
    }
}
