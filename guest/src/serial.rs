//! The serial line to the host: one JSON value a line, either way.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use rmap_diff::ground_truth::protocol::Reply;

use crate::Error;

pub struct Serial {
    to: File,
    from: BufReader<File>,
}

fn broken(error: io::Error) -> Error {
    Error::Io("the serial line".into(), error)
}

impl Serial {
    /// Opens it, and takes away all that a terminal does to what goes through it.
    pub fn open(path: &Path) -> Result<Serial, Error> {
        let to = OpenOptions::new().read(true).write(true).open(path).map_err(broken)?;
        // SAFETY: a structure of plain numbers, for which all zeroes are valid.
        let mut settings: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the file is open and the structure outlives the calls.
        let set = unsafe {
            libc::tcgetattr(to.as_raw_fd(), &mut settings);
            libc::cfmakeraw(&mut settings);
            libc::tcsetattr(to.as_raw_fd(), libc::TCSANOW, &settings)
        };
        if set != 0 {
            return Err(broken(io::Error::last_os_error()));
        }
        let from = BufReader::new(to.try_clone().map_err(broken)?);
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
