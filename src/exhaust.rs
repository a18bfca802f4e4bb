//! Every sequence of operations, up to a depth, in a small scope: few processes, few pages.
//!
//! From each state that can be reached, each operation is tried, plainly and with each of its allocations failing. States
//! are taken in order of their distance from the empty world, and each but once ([`World::key`](crate::world::World::key)),
//! so that what is found first is found by a shortest sequence. How many states and steps there are does not depend on
//! threads, stops and resumptions.
//!
//! Operations can also be tried together, each as a task, under every schedule with few preemptions. A state that they come to is a
//! state like others.
//!
//! | file | what |
//! | --- | --- |
//! | `exhaust/scope.rs` | how far a search goes, and which operations a state has there |
//! | `exhaust/search.rs` | the search: which state is next, who works on it, when it ends |
//! | `exhaust/save.rs` | a search under way, as a file |
//! | `exhaust/transition.rs` | what leads from one state to another: an operation, or several that run together |
//! | `exhaust/lockstep.rs` | what is done at a state where a lockstep is searched |
//! | `exhaust/together.rs` | the same of operations that run together: every schedule with few preemptions |
//!
//! A state is kept as its key and the operation that led to it from another; its world is made again from the trace.

mod lockstep;
mod save;
mod scope;
mod search;
mod together;
mod transition;

#[cfg(test)]
mod tests;

pub use lockstep::LockstepWorlds;
pub use save::{SaveError, Subject};
pub use scope::{FIRST_PAGE, Failures, OpKinds, Scope, Together, UnknownOperation};
pub use search::{Counts, Ended, Expand, Expansion, Limits, Search, SearchView};
pub use together::FINE_PREEMPTIONS;
pub use transition::Transition;
