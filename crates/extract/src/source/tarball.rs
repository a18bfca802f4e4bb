//! Packed trees: `.tar`, plain or compressed, and the one inside a `linux-source` package.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Component, Path, PathBuf};

use super::{SourceError, copy_needed, io_error};
use crate::needed::needed;
use crate::process::{self, ProcessError};

/// The program that unpacks what starts with these bytes.
const COMPRESSIONS: &[(&[u8], &str, &[&str])] = &[
    (b"\xfd7zXZ\0", "xz", &["-dc", "-T0"]),
    (b"\x1f\x8b", "gzip", &["-dc"]),
    (b"\x28\xb5\x2f\xfd", "zstd", &["-dcq"]),
    (b"BZh", "bzip2", &["-dc"]),
];

/// Unpacks the needed paths of a tarball into `to`. One directory at its top is taken off.
pub fn bring(archive: &Path, to: &Path, scratch: &Path) -> Result<(), SourceError> {
    let mut file = File::open(archive).map_err(io_error(archive))?;
    unpack(&archive.display().to_string(), &mut file, to, scratch)
}

/// Unpacks the needed paths of the tree in a `linux-source-VERSION` package of Debian.
pub fn unpack_linux_source(package: &Path, to: &Path, scratch: &Path) -> Result<(), SourceError> {
    let shown = package.display().to_string();
    let mut dpkg = process::command("dpkg-deb");
    dpkg.arg("--fsys-tarfile").arg(package);
    process::pipe(dpkg, None, |stream| {
        let bad = |reason: String| SourceError::BadArchive { archive: shown.clone(), reason };
        // The tar reader wants a stream of its own type, the unpacking thread one it may own.
        let (reader, mut writer) = io::pipe().map_err(|error| bad(error.to_string()))?;
        std::thread::scope(|scope| {
            let (shown, name) = (&shown, "the tarball in the package");
            let unpacker = scope.spawn(move || {
                let mut reader = reader;
                unpack(&format!("{shown}: {name}"), &mut reader, to, scratch)
            });
            let copied = copy_inner(stream, &mut writer);
            drop(writer);
            let unpacked = unpacker.join().unwrap_or_else(|_| Err(bad("the unpacking thread died".into())));
            match copied {
                Ok(true) => unpacked,
                Ok(false) => Err(bad("no usr/src/linux-source-*.tar.xz in it".into())),
                // The unpacker went away first: it knows why.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe && unpacked.is_err() => unpacked,
                Err(error) => Err(bad(error.to_string())),
            }
        })
    })
}

/// Copies the inner tarball of a package; false if there is none.
fn copy_inner(stream: &mut dyn Read, writer: &mut impl io::Write) -> io::Result<bool> {
    for entry in tar::Archive::new(stream).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        if path.contains("usr/src/linux-source-") && path.contains(".tar") && entry.header().entry_type().is_file() {
            io::copy(&mut entry, writer)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn unpack(shown: &str, stream: &mut (dyn Read + Send), to: &Path, scratch: &Path) -> Result<(), SourceError> {
    let bad = |error: io::Error| SourceError::BadArchive { archive: shown.to_owned(), reason: error.to_string() };
    let mut start = Vec::new();
    stream.take(8).read_to_end(&mut start).map_err(bad)?;
    let compression = COMPRESSIONS.iter().find(|(magic, ..)| start.starts_with(magic));
    let mut whole = Cursor::new(start).chain(stream);
    match compression {
        None => unpack_plain(shown, &mut whole, to, scratch),
        Some((_, program, arguments)) => {
            let mut command = process::command(program);
            command.args(*arguments);
            let result = process::pipe(command, Some(&mut whole), |plain| unpack_plain(shown, plain, to, scratch));
            result.map_err(|error| match error {
                SourceError::Process(ProcessError::Failed { output, .. }) => {
                    SourceError::BadArchive { archive: shown.to_owned(), reason: output }
                }
                other => other,
            })
        }
    }
}

/// Unpacks both ways at once, with the first directory of each path and without, since a stream
/// cannot be asked first: the way that yields the subject is the right one.
fn unpack_plain(shown: &str, stream: &mut dyn Read, to: &Path, scratch: &Path) -> Result<(), SourceError> {
    let bad = |error: io::Error| {
        let reason = format!("not a tar archive, or a damaged one: {error}");
        SourceError::BadArchive { archive: shown.to_owned(), reason }
    };
    let ways = [scratch.join("whole"), scratch.join("stripped")];
    for entry in tar::Archive::new(stream).entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Some(path) = plain_path(&entry.path().map_err(bad)?) else { continue };
        let stripped = path.split_once('/').map_or("", |(_, rest)| rest);
        let places: Vec<PathBuf> = ways
            .iter()
            .zip([path.as_str(), stripped])
            .filter(|(_, path)| needed(path))
            .map(|(way, path)| way.join(path))
            .collect();
        if places.is_empty() {
            continue;
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(bad)?;
        for place in places {
            if let Some(parent) = place.parent() {
                fs::create_dir_all(parent).map_err(io_error(parent))?;
            }
            fs::write(&place, &text).map_err(io_error(&place))?;
        }
    }
    let way = ways.iter().find(|way| way.join("mm/rmap.c").is_file());
    let way = way.ok_or_else(|| SourceError::NoRmap { tree: shown.to_owned() })?;
    copy_needed(way, to)
}

/// A path of the archive with `/` and without `./`; none if it leads outside.
fn plain_path(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => return None,
        }
    }
    Some(parts.join("/"))
}
