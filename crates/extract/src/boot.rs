//! What a kernel is booted with: the distribution's image of a reference's version, and an emulator.
//!
//! Both live in the cache, under a name that no reference can have. Nothing is installed: packages are downloaded
//! through the private apt and unpacked, so that no package of the machine is touched and no root is needed.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache::{Cache, CacheError, Reference};
use crate::debian::{Apt, DebianError, OTHER_SUITES, Package};
use crate::process::{self, ProcessError};
use crate::version::KernelVersion;

/// Where it all lives in the cache.
const PLACE: &str = ".ground-truth";
/// The program, and the package that has it.
const EMULATOR: &str = "qemu-system-x86_64";
const EMULATOR_PACKAGE: &str = "qemu-system-x86";
/// What the small flavour's packages begin and end with: from 7.x on a package of its own has the image.
const IMAGE_PREFIXES: [&str; 2] = ["linux-image-", "linux-binary-"];
const IMAGE_SUFFIX: &str = "-cloud-amd64";

/// An image or an emulator could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The distribution.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// A program.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// No suite has one.
    #[error(
        "no package {prefix}{series}*{IMAGE_SUFFIX} in any suite{details}; give an image of your own: \
         rmap-diff ground-truth --image FILE"
    )]
    NoImage {
        /// `linux-image-`
        prefix: &'static str,
        /// `6.12`
        series: String,
        /// Which suites could not be read, and why.
        details: String,
    },
    /// The emulator came and does not run.
    #[error("the emulator that was unpacked does not run: {0}; install it by hand: apt-get install {EMULATOR_PACKAGE}")]
    NoEmulator(String),
    /// What is in the cache of it is damaged.
    #[error("{}: {reason}; delete the directory and try again", path.display())]
    Damaged {
        /// Its note.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A bootable image, and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The compressed kernel.
    pub file: PathBuf,
    /// Where it is from.
    pub note: ImageNote,
}

/// The note beside an image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImageNote {
    /// The version that was wanted, `6.12.117`.
    pub wanted: String,
    /// The version that it is.
    pub version: String,
    /// The package.
    pub package: String,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BootError + '_ {
    move |error| BootError::Io { path: path.to_owned(), error }
}

/// A package that may hold an image, and the kernel's version as its own version tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Candidate {
    version: KernelVersion,
    package: Package,
}

/// The version of a kernel's package, without what the distribution adds: `6.12.117` of `6.12.117-1~deb12u1`.
fn upstream(version: &str) -> Option<KernelVersion> {
    KernelVersion::parse(version.split(['-', '~', '+']).next()?)
}

/// The nearest first; of the same, the package that has nothing but the image.
fn in_order(mut candidates: Vec<Candidate>, wanted: &KernelVersion) -> Vec<Candidate> {
    candidates.retain(|c| (c.version.major, c.version.minor) == (wanted.major, wanted.minor));
    candidates.sort_by_key(|c| {
        let binary = c.package.name.starts_with(IMAGE_PREFIXES[1]);
        (c.version.sub.abs_diff(wanted.sub), !binary, std::cmp::Reverse(c.package.name.clone()))
    });
    candidates
}

fn candidates(apt: &Apt, wanted: &KernelVersion) -> Result<Vec<Candidate>, BootError> {
    let mut found = Vec::new();
    for prefix in IMAGE_PREFIXES {
        for name in apt.package_names(&format!("{prefix}{}.{}", wanted.major, wanted.minor))? {
            if !name.ends_with(IMAGE_SUFFIX) {
                continue;
            }
            let Some(version) = apt.newest_version(&name)? else { continue };
            if let Some(of) = upstream(&version) {
                let kernel = format!("{}.{}", of.major, of.minor);
                found.push(Candidate { version: of, package: Package { name, version, kernel } });
            }
        }
    }
    Ok(in_order(found, wanted))
}

/// The image of a reference's version, or the nearest of its series. From the cache if it is there.
pub fn image(cache: &Cache, reference: &Reference, say: &mut dyn FnMut(&str)) -> Result<Image, BootError> {
    let wanted = reference.version();
    let dir = cache.dir().join(PLACE).join(&reference.note.version);
    if let Some(image) = present(&dir)? {
        return Ok(image);
    }
    fs::create_dir_all(cache.dir()).map_err(io_error(cache.dir()))?;
    let mut apt = Apt::new(cache.dir())?;
    say(&format!("{}: asking the package archive for an image of {}", reference.name, reference.note.version));
    apt.open_own()?;
    let mut found = candidates(&apt, &wanted)?;
    for others in OTHER_SUITES {
        if found.first().is_some_and(|best| best.version.sub == wanted.sub) {
            break;
        }
        apt.open_suites(others)?;
        found = candidates(&apt, &wanted)?;
    }
    for candidate in found {
        let package = &candidate.package;
        say(&format!("{}: fetching {} {}", reference.name, package.name, package.version));
        let deb = apt.download(package)?;
        let brought = bring_image(&deb, &dir, &reference.note.version, &candidate);
        fs::remove_file(&deb).map_err(io_error(&deb))?;
        // A package that only leads to another one has none.
        if let Some(image) = brought? {
            return Ok(image);
        }
    }
    let series = format!("{}.{}", wanted.major, wanted.minor);
    Err(BootError::NoImage { prefix: IMAGE_PREFIXES[0], series, details: apt.complaints() })
}

fn present(dir: &Path) -> Result<Option<Image>, BootError> {
    let (file, path) = (dir.join("vmlinuz"), dir.join("image.toml"));
    if !file.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(io_error(&path))?;
    let note = toml::from_str(&text).map_err(|error| BootError::Damaged { path, reason: error.to_string() })?;
    Ok(Some(Image { file, note }))
}

/// Takes the image out of a package, if it has one, and puts it into its place.
fn bring_image(deb: &Path, dir: &Path, wanted: &str, from: &Candidate) -> Result<Option<Image>, BootError> {
    let parent = dir.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(io_error(parent))?;
    let beside = tempfile::tempdir_in(parent).map_err(io_error(parent))?;
    let unpacked = beside.path().join("unpacked");
    process::run(process::command("dpkg-deb").arg("-x").arg(deb).arg(&unpacked))?;
    let Some(image) = find(&unpacked, "vmlinuz-") else { return Ok(None) };
    let note = ImageNote {
        wanted: wanted.to_owned(),
        version: from.version.to_string(),
        package: format!("{} {}", from.package.name, from.package.version),
    };
    let file = beside.path().join("vmlinuz");
    fs::rename(&image, &file).map_err(io_error(&image))?;
    fs::remove_dir_all(&unpacked).map_err(io_error(&unpacked))?;
    let path = beside.path().join("image.toml");
    let text =
        toml::to_string(&note).map_err(|error| BootError::Damaged { path: path.clone(), reason: error.to_string() })?;
    fs::write(&path, text).map_err(io_error(&path))?;
    fs::rename(beside.keep(), dir).map_err(io_error(dir))?;
    present(dir)
}

/// The first file whose name begins so, in the directories that a package of a kernel puts it.
fn find(root: &Path, start: &str) -> Option<PathBuf> {
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && (name.to_string_lossy().starts_with(start) || name == "vmlinuz") {
                return Some(path);
            }
            // Modules are many, and none of them is it; but a package may keep the image beside them.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && name != "kernel" {
                dirs.push(path);
            }
        }
    }
    None
}

/// An emulator: the machine's own if it has one, else one that is unpacked in the cache.
pub fn emulator(cache: &Cache, say: &mut dyn FnMut(&str)) -> Result<PathBuf, BootError> {
    let runs = |program: &Path| {
        let mut version = process::command(&program.display().to_string());
        process::output(version.arg("--version"))
    };
    if runs(Path::new(EMULATOR)).is_ok_and(|said| said.status.success()) {
        return Ok(PathBuf::from(EMULATOR));
    }
    let dir = cache.dir().join(PLACE).join("emulator");
    let program = dir.join("run");
    if program.is_file() {
        return Ok(program);
    }
    let parent = cache.dir().join(PLACE);
    fs::create_dir_all(&parent).map_err(io_error(&parent))?;
    let mut apt = Apt::new(cache.dir())?;
    say(&format!("no {EMULATOR} on this machine: fetching {EMULATOR_PACKAGE} into the cache"));
    apt.open_own()?;
    let beside = tempfile::tempdir_in(&parent).map_err(io_error(&parent))?;
    for deb in apt.download_with_dependencies(EMULATOR_PACKAGE)? {
        process::run(process::command("dpkg-deb").arg("-x").arg(&deb).arg(beside.path()))?;
    }
    // What is only to be read by people.
    for useless in ["usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/icons"] {
        let path = beside.path().join(useless);
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(io_error(&path))?;
        }
    }
    let script = beside.path().join("run");
    fs::write(&script, SCRIPT).map_err(io_error(&script))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(io_error(&script))?;
    let said = runs(&script)?;
    if !said.status.success() {
        return Err(BootError::NoEmulator(String::from_utf8_lossy(&said.stderr).trim().to_owned()));
    }
    fs::rename(beside.keep(), &dir).map_err(io_error(&dir))?;
    Ok(program)
}

/// Starts the unpacked emulator with its own libraries and firmware.
const SCRIPT: &str = r#"#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
LD_LIBRARY_PATH=$here/usr/lib/x86_64-linux-gnu:$here/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "$here/usr/bin/qemu-system-x86_64" -L "$here/usr/share/qemu" -L "$here/usr/share/seabios" "$@"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_version_comes_first_and_then_the_nearest_of_the_series_alone() {
        let candidate = |name: &str, version: &str| Candidate {
            version: upstream(version).unwrap(),
            package: Package { name: name.into(), version: version.into(), kernel: String::new() },
        };
        let all = vec![
            candidate("linux-image-6.12.107+deb12-cloud-amd64", "6.12.107-1~deb12u1"),
            candidate("linux-image-6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1"),
            candidate("linux-binary-6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1"),
            candidate("linux-image-6.12.115+deb12-cloud-amd64", "6.12.115-1"),
            candidate("linux-image-6.120.0-cloud-amd64", "6.120.0-1"),
            candidate("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
        ];
        let order = |wanted: &str| {
            let found = in_order(all.clone(), &KernelVersion::parse(wanted).unwrap());
            found.into_iter().map(|c| c.package.name).collect::<Vec<_>>()
        };
        let found = order("6.12.117");
        assert_eq!(found[..2], ["linux-binary-6.12.117+deb12-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64"]);
        assert_eq!(found.len(), 4);
        assert_eq!(order("6.12.114")[0], "linux-image-6.12.115+deb12-cloud-amd64");
        assert_eq!(order("6.1.192"), ["linux-image-6.1.0-56-cloud-amd64"]);
    }

    #[test]
    fn a_damaged_note_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(present(dir.path()).unwrap(), None);
        fs::write(dir.path().join("vmlinuz"), "x").unwrap();
        fs::write(dir.path().join("image.toml"), "wanted = 1").unwrap();
        assert!(present(dir.path()).unwrap_err().to_string().contains("delete the directory"));
    }
}
