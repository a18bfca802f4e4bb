//! Two references side by side: does a change of `mm/rmap.c` change what it does?
//!
//! Each reference runs under its own driver (both under the same sort) and is watched by its own oracle. After each
//! operation their states are compared up to the names of objects. What two revisions need not have alike has a
//! name of its own ([`BenignDifference`]), is counted, and is shown with its smallest trace; what they must have alike and do not is
//! [`Class::Different`]; a side that breaks an invariant is [`Class::Violates`].
//!
//! A failure is aligned by the site of the allocation, not by its number. A side on which the operation fails must be
//! where it was, and does it again, so that both go on from the same point.
//!
//! | file | what |
//! | --- | --- |
//! | `review/calls.rs` | what a side did in an operation, call by call |
//! | `review/observed.rs` | what that was, in words that two references share |
//! | `review/sites.rs` | which failures an operation can meet, on both |
//! | `review/semantic.rs` | two states compared |
//! | `review/page_tables.rs` | the page tables of two states compared |
//! | `review/class.rs` | the sorts of differences, and how often each was seen |
//! | `review/side.rs` | one reference with its driver and its oracle |
//! | `review/pair.rs` | both: an operation, and what is to be said of it |
//! | `review/together.rs` | both: operations that run together, and the sets of what they come to |
//! | `review/explore.rs` | every sequence of operations in a small scope |
//! | `review/verdict.rs` | random traces, small traces, and what it all comes to |

mod calls;
mod class;
mod explore;
mod observed;
mod page_tables;
mod pair;
mod semantic;
mod side;
mod sites;
mod together;
mod verdict;

#[cfg(test)]
mod tests;

pub use class::{BenignDifference, Class, Names, PairSide, Sighting, Sightings};
pub use explore::Explorer;
pub use observed::{Attempt, Observed, Site};
pub use pair::{Next, Pair};
pub use side::Reviewed;
pub use verdict::{Equivalence, Searched, Verdict, minimize_sightings, random};
