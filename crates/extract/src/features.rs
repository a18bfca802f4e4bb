//! What a tree can do besides the reverse map: what a driver has to know before it asks for an operation.
//!
//! How the reverse map itself behaves is the [revision](crate::revision). Both are told from the tokens of the source,
//! without comments and strings, and never from its version. The difference: a feature that is not found is absent,
//! and no reason to refuse a tree.

use std::path::Path;

use crate::syntax::{Kind, SourceFile, SyntaxError};

/// The features of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Features {
    /// Whether there is `UFFDIO_MOVE` (6.8): mm/userfaultfd.c defines `move_present_pte()`, `move_present_ptes()` since
    /// it moves several at a time.
    pub moves_pages: bool,
    /// Whether memory that was written to merges with memory that was not, whichever of the two changes (6.19): mm/vma.c
    /// defines `vma_is_fork_child()`, which `is_mergeable_anon_vma()` asks of both.
    pub merges_either_way: bool,
}

impl Features {
    /// Detects the features of a tree.
    ///
    /// # Errors
    /// If a file is there and cannot be read as C.
    pub fn detect(tree: &Path) -> Result<Self, SyntaxError> {
        let defines = |path: &str, names: &[&str]| -> Result<bool, SyntaxError> {
            if !tree.join(path).is_file() {
                return Ok(false);
            }
            let file = SourceFile::read(tree, path)?;
            Ok(names.iter().any(|name| !file.find(Kind::Function, name).is_empty()))
        };
        Ok(Features {
            moves_pages: defines("mm/userfaultfd.c", &["move_present_pte", "move_present_ptes"])?,
            merges_either_way: defines("mm/vma.c", &["vma_is_fork_child"])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Features;

    fn moves_pages(text: Option<&str>) -> bool {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("mm")).unwrap();
        if let Some(text) = text {
            fs::write(tree.path().join("mm/userfaultfd.c"), text).unwrap();
        }
        Features::detect(tree.path()).unwrap().moves_pages
    }

    #[test]
    fn pages_are_moved_where_a_function_does_it_and_not_where_a_comment_or_a_string_says_so() {
        assert!(moves_pages(Some("static int move_present_pte(int a)\n{\n\treturn a;\n}\n")));
        assert!(moves_pages(Some("static long move_present_ptes(int a)\n{\n\treturn a;\n}\n")));
        assert!(!moves_pages(Some("/* move_present_pte(1) {} */\nchar *s = \"move_present_pte(1) {}\";\n")));
        assert!(!moves_pages(Some("static int copy(int a)\n{\n\treturn move_present_pte(a);\n}\n")));
        assert!(!moves_pages(None));
    }
}
