//! What a C compiler or linker complains of, in one line.

use std::process::Command;

/// A compiler or linker does not do it.
#[derive(Debug, thiserror::Error)]
pub enum CompilerError {
    /// It cannot be run.
    #[error("{program}: {error}")]
    Absent {
        /// What was to be run.
        program: String,
        /// Why not.
        error: std::io::Error,
    },
    /// Its first error, with file and line.
    #[error("{0}")]
    Failed(String),
}

/// Runs a compiler or linker.
///
/// # Errors
/// If it cannot be run, or says that something is wrong; see [`first_error`].
pub fn succeed(command: &mut Command) -> Result<(), CompilerError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| CompilerError::Absent { program, error })?;
    let said = String::from_utf8_lossy(&output.stderr);
    // The linker puts the directory of the build before the file.
    let here = std::env::current_dir().map(|dir| format!("{}/", dir.display())).unwrap_or_default();
    match first_error(&said) {
        Some(first) if !output.status.success() => Err(CompilerError::Failed(first.replacen(&here, "", 1))),
        _ => Ok(()),
    }
}

/// The mark of a symbol that nobody defines.
const UNDEFINED: &str = "undefined reference to";

/// The first error in the output of a compiler or linker that failed, with its file and line; none if all that is missing
/// comes with the runtime of an instrumentation, which the whole binary is linked with.
pub fn first_error(output: &str) -> Option<&str> {
    let of_runtime =
        |line: &str| ["__asan", "__sanitizer", "__sancov", "__llvm"].iter().any(|name| line.contains(name));
    let is_error = |line: &&str| {
        (line.contains("error: ") && !line.starts_with("collect2: ")) || (line.contains(UNDEFINED) && !of_runtime(line))
    };
    match output.lines().find(is_error) {
        Some(first) => Some(first.trim()),
        None if output.contains(UNDEFINED) => None,
        None => Some(output.lines().next().unwrap_or("no reason given")),
    }
}

#[cfg(test)]
mod tests {
    use super::first_error;

    #[test]
    fn the_first_error_is_told_and_no_note_before_it() {
        let output = "In file included from reference.c:1:\nmm/rmap.c: In function 'f':\n\
                      mm/rmap.c:7:2: error: implicit declaration of function 'g'\nmm/rmap.c:9:1: error: other\n";
        assert_eq!(first_error(output), Some("mm/rmap.c:7:2: error: implicit declaration of function 'g'"));
        assert_eq!(first_error("cc: fatal error: no such file\n"), Some("cc: fatal error: no such file"));
        assert_eq!(first_error("killed\nby somebody\n"), Some("killed"));
        assert_eq!(first_error(""), Some("no reason given"));
    }

    #[test]
    fn what_a_sanitizer_brings_is_not_missing_and_anything_else_is() {
        let runtime = "ld: a.o: undefined reference to `__asan_init'\ncollect2: error: ld returned 1 exit status\n";
        assert_eq!(first_error(runtime), None);
        let own = format!("{runtime}mm/vma.c:3: undefined reference to `g'\n");
        assert_eq!(first_error(&own), Some("mm/vma.c:3: undefined reference to `g'"));
    }
}
