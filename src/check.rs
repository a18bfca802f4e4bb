//! Lockstep, comparison, invariants: what finds a defect, and what it is called.
//!
//! - [`Lockstep`] makes each call on both sides and compares them; [`Solo`] watches one side.
//! - [`oracle`] knows the invariants, each side by itself; I9, which needs the page tables, is [`Lockstep::check_pages`].
//! - [`Finding`] is what a run stops for, with a signature that survives renaming.
//! - [`check_expectations`] holds what a trace expects after an operation against what is mapped.
//! - [`run_trace`] is the loop that the command, the fuzz targets and the tests share.
//! - [`digest`] is all that a side does, as a number.
//! - [`minimize_finding`] makes its trace small.
//!
//! Nothing here prints; that is [`crate::report`].

mod digest;
mod divergence;
mod expect;
mod failure;
mod follow;
mod invariant;
mod lockstep;
mod minimized;
mod no_port;
pub mod oracle;
mod page_tables;
mod pages;
mod rehearsal;
mod run;
mod state_diff;
mod tolerated;
mod violation;
mod walk;

#[cfg(test)]
mod tests;

pub use digest::digest;
pub use divergence::{Difference, Divergence, Finding, FindingKind, Phase, Sides, TaskPoint};
pub use expect::Unmet;
pub use failure::FailedAttempt;
pub use invariant::Invariant;
pub use lockstep::{Lockstep, LockstepStats, STOPPED, Solo};
pub use minimized::{Minimized, minimize_finding};
pub use no_port::NoPort;
pub use oracle::{Broken, Oracle};
pub use rehearsal::Rehearsal;
pub use run::{Driver, RunResult, RunStats, check_expectations, end_trace, play_trace, run_trace, run_trace_watched};
pub use state_diff::{FieldDiff, diff_states, tree_text};
pub use violation::{Object, Violation};
