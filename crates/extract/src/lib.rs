//! What `rmap-diff` does before there is anything to run: it brings kernel trees into a cache
//! ([`cache`], [`supply`]), cuts the kernel's own C out of them ([`extract`]) as the manifest says
//! ([`manifest`]), and finds out how each generation behaves ([`revision`]).
//!
//! Afterwards it says what a run reached of what was cut ([`reached`]).
//!
//! The build script of the tool and the commands `kernels` and `coverage` are the users. Nothing here knows
//! of the Rust port, of traces or of C compilers.

pub mod boot;
pub mod cache;
pub mod debian;
pub mod derive;
pub mod edit;
pub mod extract;
pub mod manifest;
pub mod mutants;
pub mod needed;
pub mod patch;
pub mod process;
pub mod reached;
pub mod revision;
pub mod source;
pub mod supply;
pub mod syntax;
pub mod version;
