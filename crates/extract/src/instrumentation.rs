//! The instrumentation that the Rust of a build has, and the C of the same build must have too: the flags, and a clang
//! whose LLVM is that of rustc.

use std::env;
use std::io;
use std::process::Command;

/// The C cannot be instrumented as the Rust is.
#[derive(Debug, thiserror::Error)]
pub enum InstrumentationError {
    /// A sanitizer that the stubs do not know.
    #[error("the C cannot be built for -Zsanitizer={0}: use SANITIZER=address or SANITIZER=none")]
    Sanitizer(String),
    /// Loads and stores cannot be told in an instrumented build.
    #[error("the feature `accesses` has instrumentation of its own: build without sanitizer, fuzzer and coverage")]
    Accesses,
    /// rustc does not say which LLVM it has.
    #[error("{rustc} -vV names no LLVM version")]
    NoVersion {
        /// The rustc.
        rustc: String,
    },
    /// rustc cannot be run.
    #[error("{rustc}: {error}")]
    Rustc {
        /// The rustc.
        rustc: String,
        /// Why not.
        error: io::Error,
    },
    /// The one that is named does not fit.
    #[error(
        "RMAP_CLANG: {clang} is no clang of LLVM {major}, the LLVM of this rustc, or cannot be run; a build with coverage \
         needs just that one, any other instrumented build a clang"
    )]
    Named {
        /// What `RMAP_CLANG` names.
        clang: String,
        /// The LLVM's major version.
        major: String,
    },
    /// None was found.
    #[error(
        "an instrumented build needs clang {major}, the LLVM of this rustc; tried {tried}. Run `scripts/setup`, install \
         clang-{major}, or name it in RMAP_CLANG. Without it the C would run bare and the fuzzer would not see into it."
    )]
    Absent {
        /// The LLVM's major version.
        major: String,
        /// What was tried.
        tried: String,
    },
}

/// What the C of a build gets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Instrumentation {
    /// The compiler's flags; none: it is not instrumented.
    pub flags: Vec<&'static str>,
    /// Whether AddressSanitizer is among them.
    pub address: bool,
    /// Whether loads and stores of the kernel's text are told (the feature `accesses`).
    pub accesses: bool,
    /// The clang that knows the flags, a name or a path; none where there are none.
    pub clang: Option<String>,
    /// Why that clang may not fit, if it was named and is of another LLVM.
    pub doubt: Option<String>,
}

impl Instrumentation {
    /// That of the build whose script asks: cargo tells it in the environment.
    ///
    /// # Errors
    /// If the C cannot be instrumented so, with what to do.
    pub fn of_build() -> Result<Instrumentation, InstrumentationError> {
        let set = |name: &str| env::var(name).unwrap_or_default();
        let mut own = Instrumentation::default();
        if env::var_os("CARGO_CFG_FUZZING").is_some() {
            own.flags.push("-fsanitize=fuzzer-no-link");
            // How deep the stack is says nothing where operations that run together have stacks of their own. And what is compared
            // is of no use to a mutator that changes operations, not bytes.
            own.flags.push("-fno-sanitize-coverage=stack-depth,trace-cmp");
        }
        for sanitizer in set("CARGO_CFG_SANITIZE").split(',').filter(|name| !name.is_empty()) {
            if sanitizer != "address" {
                return Err(InstrumentationError::Sanitizer(sanitizer.to_owned()));
            }
            own.flags.push("-fsanitize=address");
            own.address = true;
        }
        let counts_lines = set("CARGO_ENCODED_RUSTFLAGS").contains("instrument-coverage");
        if counts_lines {
            own.flags.extend(["-fprofile-instr-generate", "-fcoverage-mapping"]);
        }
        own.accesses = env::var_os("CARGO_FEATURE_ACCESSES").is_some();
        if own.accesses && !own.flags.is_empty() {
            return Err(InstrumentationError::Accesses);
        }
        if own.accesses || !own.flags.is_empty() {
            let (clang, doubt) = find_clang(&set("RUSTC"), counts_lines)?;
            (own.clang, own.doubt) = (Some(clang), doubt);
        }
        Ok(own)
    }
}

/// Finds a clang whose LLVM is that of `rustc`: the two must agree on how counters are laid out. One that `RMAP_CLANG`
/// names may be another, except for the counters of a coverage report (`counts_lines`), whose layout belongs to the LLVM;
/// those of the fuzzer and of the sanitizer have been the same for years. With it, why it may not fit.
fn find_clang(rustc: &str, counts_lines: bool) -> Result<(String, Option<String>), InstrumentationError> {
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.map_err(|error| InstrumentationError::Rustc { rustc: rustc.to_owned(), error })?;
    let said = String::from_utf8_lossy(&output.stdout);
    let major = said.lines().find_map(|line| line.strip_prefix("LLVM version: ")).and_then(|v| v.split('.').next());
    let major = major.ok_or_else(|| InstrumentationError::NoVersion { rustc: rustc.to_owned() })?.to_owned();
    let named = env::var("RMAP_CLANG").ok();
    let candidates = match &named {
        Some(clang) => vec![clang.clone()],
        None => vec![format!("clang-{major}"), format!("/usr/lib/llvm-{major}/bin/clang"), "clang".to_owned()],
    };
    for clang in &candidates {
        let Ok(output) = Command::new(clang).arg("--version").output() else { continue };
        let said = String::from_utf8_lossy(&output.stdout);
        let Some(version) = said.split("version ").nth(1) else { continue };
        if version.starts_with(&format!("{major}.")) {
            return Ok((clang.clone(), None));
        }
        if named.is_some() && !counts_lines {
            let doubt = format!(
                "RMAP_CLANG: {clang} is not of LLVM {major}, as rustc is: its counters are trusted to be alike"
            );
            return Ok((clang.clone(), Some(doubt)));
        }
    }
    Err(match named {
        Some(clang) => InstrumentationError::Named { clang, major },
        None => InstrumentationError::Absent { major, tried: candidates.join(", ") },
    })
}
