//! Ground truth: traces played as system calls on an unmodified kernel in an emulator, whose own graph is read back after
//! every step and compared with that of the userland run.
//!
//! | file | what |
//! | --- | --- |
//! | `crates/trace/src/agent.rs` | what the host and the agent in the guest say to each other |
//! | `ground_truth/expressible.rs` | what of a trace cannot be said in system calls, and is left out by name |
//! | `ground_truth/observed.rs` | what is seen of a run after each step |
//! | `ground_truth/userland.rs` | the userland run: after each step its dump, its errno, its attempts to allocate |
//! | `ground_truth/emulator.rs` | the emulator: boots a kernel with the agent, lines in and out |
//! | `ground_truth/debug_port.rs` | the emulator's debug port: breakpoints, registers |
//! | `ground_truth/failures.rs` | allocations of a marked operation that are made to fail through that port |
//! | `ground_truth/guest.rs` | a trace on the booted kernel |
//! | `ground_truth/compare.rs` | the two runs side by side, and where they first differ |
//!
//! The agent is a crate of its own (`guest/`), which uses this library without any C.

#[cfg(feature = "cli")]
pub mod compare;
#[cfg(feature = "cli")]
pub mod debug_port;
#[cfg(feature = "cli")]
pub mod emulator;
pub mod expressible;
#[cfg(feature = "cli")]
pub mod failures;
#[cfg(feature = "cli")]
pub mod guest;
#[cfg(feature = "cli")]
pub mod observed;
#[cfg(feature = "cli")]
pub mod userland;
