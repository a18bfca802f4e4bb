//! How well the checks find bugs, measured: each mutant of a build that has them is hunted in a process of its own.
//!
//! What the mutants are is in `crates/extract/src/mutants.rs`, and choosing one in [`kernel::mutants`](crate::kernel::mutants).
//!
//! | file | what is there |
//! | --- | --- |
//! | `mutants/table.rs` | the mutants of a reference, as the build wrote them down |
//! | `mutants/hunt.rs` | the search: which traces, in which order, until something is found |
//! | `mutants/sections.rs` | sections that were written by hand, for races that random schedules seldom come to |
//! | `mutants/store.rs` | what came of each, kept in a file, so that an interrupted run goes on |
//! | `mutants/equivalent.rs` | those that no state can show, and why: the reviewed file |
//! | `mutants/score.rs` | the score and the table for people |

pub mod equivalent;
pub mod hunt;
pub mod score;
mod sections;
pub mod store;
pub mod table;

pub use equivalent::Equivalents;
pub use hunt::{Budget, Hunt, Mode, Place, TOGETHER};
pub use score::Score;
pub use store::{Fate, Header, Kill, MutantFates, Record, Store};
pub use table::{Mutant, table};

use crate::session::SessionError;

/// What is wrong with a file of this module, or with what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum MutantsError {
    /// The binary is an ordinary one.
    #[error("this binary has no mutants: `make mutants` builds one that has")]
    Ordinary,
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// A file does not say what it should.
    #[error("{path}: {reason}")]
    Bad {
        /// Which.
        path: String,
        /// What was found, and what was wanted.
        reason: String,
    },
    /// The reference has no VMA code of its own.
    #[error(transparent)]
    Session(#[from] SessionError),
}
