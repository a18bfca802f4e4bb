//! Ground truth: traces played as system calls on an unmodified kernel in an emulator, whose own graph is read back after
//! every step and compared with that of the userland run.
//!
//! | file | what |
//! | --- | --- |
//! | `ground_truth/protocol.rs` | what the host and the agent in the guest say to each other |
//!
//! The agent is a crate of its own (`guest/`), which uses this library without any C.

pub mod protocol;
