//! What `rmap-diff` does before there is anything to run: it brings kernel trees into a cache
//! ([`cache`], [`supply`], [`fetch`]), cuts the kernel's own C out of them ([`extract`]) as the manifest says
//! ([`manifest`]), and finds out how each generation behaves ([`revision`]) and what it can do ([`features`]).
//!
//! Of that a build makes what a compiler is given and the table that the tool includes ([`prepare`], [`table`],
//! [`mutants`], [`stand_ins`]). Afterwards it is said what a run reached of what was cut ([`reached`]).
//!
//! The build script of the tool and the commands `rmap-kernels` and `coverage` are the users. Nothing here knows
//! of the Rust port or of traces. No C compiler is called here: build.rs calls it, with the instrumentation that
//! [`instrumentation`] names, and [`compiler_errors`] says what the compiler complained of.

pub mod boot;
pub mod cache;
pub mod changed;
pub mod compile;
pub mod compiler_errors;
pub mod debian;
pub mod derive;
pub mod edit;
pub mod extract;
pub mod features;
pub mod fetch;
pub mod instrumentation;
pub mod manifest;
pub mod mutants;
pub mod needed;
pub mod parallel;
pub mod patch;
pub mod prepare;
pub mod process;
pub mod reached;
pub mod revision;
pub mod share;
pub mod source;
pub mod stand_ins;
pub mod supply;
pub mod syntax;
pub mod table;
pub mod version;
