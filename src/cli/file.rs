//! Files of the command: traces in, results out.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use super::{Error, to_stdout};
use crate::kernel::accesses;
use crate::trace::{self, Trace};

/// Reads a file, or standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(Error::io(path))?;
        return Ok(bytes);
    }
    fs::read(path).map_err(Error::io(path))
}

/// Reads a trace in its text form, of which one operation runs at a time.
pub(super) fn read_trace(path: &Path) -> Result<Trace, Error> {
    let trace = read_any_trace(path)?;
    one_at_a_time(path, &trace)?;
    Ok(trace)
}

/// That no operations of a trace run together, for a command that cannot do that.
pub(super) fn one_at_a_time(path: &Path, trace: &Trace) -> Result<(), Error> {
    if trace.sections.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{}: it has operations that run together (`together`), which only run, minimize, show, convert, reproduce and review take",
        path.display()
    )))
}

/// Reads a trace in its text form.
pub(super) fn read_any_trace(path: &Path) -> Result<Trace, Error> {
    let trace = trace::parse_bytes(&read(path)?).map_err(|error| Error::Parse { path: path.to_owned(), error })?;
    if !accesses::TOLD && trace.sections.iter().any(|section| section.accesses) {
        let why = "a line is at a load or a store, which this build does not tell: build it with the feature `accesses` (docs/together.md)";
        return Err(Error::Usage(format!("{}: {why}", path.display())));
    }
    Ok(trace)
}

/// Writes a whole file: beside its place, then renamed into it. `-` is standard output; what is there and is no
/// file (a pipe, a device) is written to, and a link stays a link.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if path == Path::new("-") {
        let mut out = io::stdout();
        return to_stdout(out.write_all(bytes).and_then(|()| out.flush()));
    }
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::write(path, bytes).map_err(Error::io(path));
    }
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = place.as_os_str().to_owned();
    beside.push(format!(".tmp-{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = fs::write(beside, bytes).and_then(|()| fs::rename(beside, &place));
    if written.is_err() {
        let _ = fs::remove_file(beside);
    }
    written.map_err(Error::io(path))
}
