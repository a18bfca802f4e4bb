//! Files of the command: traces in, results out.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use super::Error;
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

/// Reads a trace in its text form.
pub(super) fn read_trace(path: &Path) -> Result<Trace, Error> {
    trace::parse_bytes(&read(path)?).map_err(|error| Error::Parse { path: path.to_owned(), error })
}

/// Writes a whole file: beside its place, then renamed into it. `-` is standard output.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if path == Path::new("-") {
        return io::stdout().write_all(bytes).map_err(Error::io(path));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".tmp-{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = fs::write(beside, bytes).and_then(|()| fs::rename(beside, path));
    if written.is_err() {
        let _ = fs::remove_file(beside);
    }
    written.map_err(Error::io(path))
}
