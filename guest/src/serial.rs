//! The serial line to the host: one JSON value a line, either way. It is a virtio port, which takes a whole line at once: the
//! bytes of a UART one by one cost more than all the rest.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use rmap_trace::agent::Reply;

use crate::Error;

pub struct Serial {
    to: File,
    from: BufReader<File>,
}

fn broken(error: io::Error) -> Error {
    Error::Io("the serial line".into(), error)
}

impl Serial {
    /// Opens the port.
    pub fn open(path: &Path) -> Result<Serial, Error> {
        let io = |error| Error::Io(path.display().to_string(), error);
        let to = OpenOptions::new().read(true).write(true).open(path).map_err(io)?;
        let from = BufReader::new(to.try_clone().map_err(io)?);
        Ok(Serial { to, from })
    }

    /// Says something.
    pub fn send(&mut self, reply: &Reply) -> Result<(), Error> {
        let mut line = serde_json::to_string(reply).map_err(|error| Error::Host(error.to_string()))?;
        line.push('\n');
        self.to.write_all(line.as_bytes()).map_err(broken)
    }

    /// Waits for a line; none: the host has gone.
    pub fn line(&mut self) -> Result<Option<String>, Error> {
        let mut line = String::new();
        let read = self.from.read_line(&mut line).map_err(broken)?;
        Ok((read > 0).then_some(line))
    }
}
