//! A private apt: its own state, lists, archives and sources. The machine's configuration is
//! read, for its proxies, keys and mirror, and never written; its hooks are not run, since they
//! clean up the machine's package cache under the hands of whoever is using it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sources::{self, Repository};
use super::{DebianError, Package};
use crate::process;

/// Hooks that a machine may have set. They are for the machine's state, not for ours.
const HOOKS: &[&str] = &[
    "APT::Update::Pre-Invoke",
    "APT::Update::Post-Invoke",
    "APT::Update::Post-Invoke-Success",
    "APT::Update::Post-Invoke-Stats",
    "DPkg::Pre-Invoke",
    "DPkg::Post-Invoke",
    "DPkg::Pre-Install-Pkgs",
    "AptCli::Hooks",
    "APT::Default-Release",
    "Dir::Log",
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A private apt under a directory of its own, which is deleted with it.
#[derive(Debug)]
pub struct Apt {
    dir: tempfile::TempDir,
    /// Debian's archives as the machine is configured, once known.
    own: Option<Vec<Repository>>,
    opened: Vec<String>,
    complaints: Vec<String>,
}

impl Apt {
    /// Sets the private state up below `parent`, which must exist.
    pub fn new(parent: &Path) -> Result<Self, DebianError> {
        let dir = tempfile::Builder::new()
            .prefix(".apt-")
            .tempdir_in(parent)
            .map_err(|error| DebianError::Io { path: parent.display().to_string(), error })?;
        let apt = Self { dir, own: None, opened: Vec::new(), complaints: Vec::new() };
        for sub in ["parts", "sources", "machine", "state/lists/partial", "cache/archives/partial", "packages"] {
            apt.io(sub, fs::create_dir_all)?;
        }
        for file in ["status", "none"] {
            apt.io(file, |path| fs::write(path, ""))?;
        }
        apt.link_machine_configuration()?;
        let text = apt.configuration();
        apt.io("main.conf", |path| fs::write(path, text))?;
        let first = format!(
            "Dir::Etc::Main \"{}\";\nDir::Etc::Parts \"{}\";\n",
            apt.path("main.conf").display(),
            apt.path("parts").display()
        );
        apt.io("apt.conf", |path| fs::write(path, first))?;
        Ok(apt)
    }

    fn path(&self, sub: &str) -> PathBuf {
        self.dir.path().join(sub)
    }

    fn io<T, P: FnOnce(PathBuf) -> std::io::Result<T>>(&self, sub: &str, act: P) -> Result<T, DebianError> {
        let path = self.path(sub);
        let shown = path.display().to_string();
        act(path).map_err(|error| DebianError::Io { path: shown, error })
    }

    /// Read last, so that it has the last word over the machine's.
    fn configuration(&self) -> String {
        let mut text = String::new();
        for hook in HOOKS {
            text.push_str(&format!("#clear {hook};\n"));
        }
        let dir = |sub: &str| self.path(sub).display().to_string();
        for (option, value) in [
            ("Dir::State", dir("state")),
            ("Dir::State::lists", dir("state/lists")),
            ("Dir::State::status", dir("status")),
            ("Dir::Cache", dir("cache")),
            ("Dir::Cache::archives", dir("cache/archives")),
            ("Dir::Cache::pkgcache", String::new()),
            ("Dir::Cache::srcpkgcache", String::new()),
            ("Dir::Etc::sourcelist", dir("none")),
            ("Dir::Etc::sourceparts", dir("sources")),
            ("Dir::Etc::preferences", dir("none")),
            ("Dir::Etc::preferencesparts", dir("packages")),
            ("Acquire::Languages", "none".to_owned()),
            ("Acquire::Retries", "2".to_owned()),
            ("APT::Get::List-Cleanup", "false".to_owned()),
        ] {
            text.push_str(&format!("{option} \"{value}\";\n"));
        }
        if is_root() {
            text.push_str("APT::Sandbox::User \"root\";\n");
        }
        text
    }

    /// Proxies and the like: the machine's configuration files, by link.
    fn link_machine_configuration(&self) -> Result<(), DebianError> {
        let [main, parts] = machine_paths(["Dir::Etc::main/f", "Dir::Etc::parts/d"])?;
        if let Some(first) = std::env::var_os("APT_CONFIG").filter(|path| Path::new(path).is_file()) {
            self.io("parts/000first", |link| symlink(first, link))?;
        }
        for entry in fs::read_dir(&parts).into_iter().flatten().flatten() {
            self.io("parts", |dir| symlink(entry.path(), dir.join(entry.file_name())))?;
        }
        if Path::new(&main).is_file() {
            self.io("parts/zzzmain", |link| symlink(main, link))?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = process::command(program);
        command.env("APT_CONFIG", self.path("apt.conf"));
        command
    }

    /// Reads the lists of the sources that are configured on the machine.
    pub fn open_own(&mut self) -> Result<(), DebianError> {
        if self.own.is_some() {
            return self.check_reachable();
        }
        // What the machine's own lists know needs no network; a fresh machine has none.
        let mut machine = process::command("apt-get");
        let mut own = sources::index_targets(&mut machine)?;
        if own.is_empty() {
            self.copy_machine_sources()?;
            let mut update = self.command("apt-get");
            update.args(["update", "-q"]);
            self.use_sources(&mut update, "machine");
            let said = process::output(&mut update)?;
            self.complain("the machine's own sources", &said);
            let mut targets = self.command("apt-get");
            self.use_sources(&mut targets, "machine");
            own = sources::index_targets(&mut targets)?;
        }
        if own.is_empty() {
            return Err(DebianError::NoMirror { details: self.complaints() });
        }
        for repository in &own {
            self.open(repository)?;
        }
        self.own = Some(own);
        self.check_reachable()
    }

    /// If none of the machine's own suites can be read, no other will.
    fn check_reachable(&self) -> Result<(), DebianError> {
        let read = self.io("sources", fs::read_dir)?.count();
        if read > 0 { Ok(()) } else { Err(DebianError::Unreachable { details: self.complaints() }) }
    }

    /// Reads the lists of further suites of the same mirror.
    pub fn open_suites(&mut self, suites: &[&str]) -> Result<(), DebianError> {
        let own = self.own.clone().unwrap_or_default();
        let Some(archive) = own.iter().find(|repository| repository.is_main_archive()) else {
            return Err(DebianError::NoMirror { details: self.complaints() });
        };
        for suite in suites {
            self.open(&Repository { release: (*suite).to_owned(), signed_by: KEYRING.to_owned(), ..archive.clone() })?;
        }
        Ok(())
    }

    /// Adds one repository, if it can be read: one that cannot is remembered, not fatal.
    fn open(&mut self, repository: &Repository) -> Result<(), DebianError> {
        let keyring = if Path::new(&repository.signed_by).is_file() { &repository.signed_by } else { KEYRING };
        let stanza = repository.stanza(keyring);
        if self.opened.contains(&stanza) {
            return Ok(());
        }
        let number = self.opened.len();
        self.opened.push(stanza.clone());
        let alone = format!("one{number}");
        self.io(&alone, fs::create_dir_all)?;
        self.io(&format!("{alone}/it.sources"), |path| fs::write(path, &stanza))?;
        let mut update = self.command("apt-get");
        update.args(["update", "-q"]);
        self.use_sources(&mut update, &alone);
        let said = process::output(&mut update)?;
        // apt calls it a success when nothing could be fetched.
        let fetched = !String::from_utf8_lossy(&said.stderr).contains("ailed to fetch");
        if said.status.success() && fetched {
            self.io(&format!("sources/{number}.sources"), |path| fs::write(path, &stanza))?;
        } else {
            self.complain(&repository.release, &said);
        }
        Ok(())
    }

    fn use_sources(&self, command: &mut Command, dir: &str) {
        command.arg("-o").arg(format!("Dir::Etc::sourceparts={}", self.path(dir).display()));
        if dir == "machine" {
            command.arg("-o").arg(format!("Dir::Etc::sourcelist={}", self.path("machine/sources.list").display()));
        }
    }

    fn copy_machine_sources(&self) -> Result<(), DebianError> {
        let [list, parts] = machine_paths(["Dir::Etc::sourcelist/f", "Dir::Etc::sourceparts/d"])?;
        if Path::new(&list).is_file() {
            self.io("machine/sources.list", |to| fs::copy(list, to))?;
        } else {
            self.io("machine/sources.list", |to| fs::write(to, ""))?;
        }
        for entry in fs::read_dir(&parts).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.ends_with(".list") || name.ends_with(".sources")) {
                self.io("machine", |dir| fs::copy(entry.path(), dir.join(name)))?;
            }
        }
        Ok(())
    }

    fn complain(&mut self, whose: &str, said: &std::process::Output) {
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        let lines = text.lines().filter(|line| line.starts_with("E:") || line.starts_with("W:"));
        // This says only that there was another line.
        let lines = lines.filter(|line| !line.contains("Some index files failed"));
        self.complaints.extend(lines.take(2).map(|line| format!("{whose}: {line}")));
    }

    /// What could not be read, for an error: one line each, or nothing.
    pub fn complaints(&self) -> String {
        self.complaints.iter().map(|line| format!("\n  {line}")).collect()
    }

    /// Every package whose name starts so.
    pub fn package_names(&self, prefix: &str) -> Result<Vec<String>, DebianError> {
        let names = process::run(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The newest version of a package in any suite, whatever the suites' priorities.
    pub fn newest_version(&self, package: &str) -> Result<Option<String>, DebianError> {
        let lines = process::run(self.command("apt-cache").args(["madison", package]))?;
        let mut newest: Option<String> = None;
        for line in lines.lines() {
            let mut columns = line.split('|').map(str::trim);
            let (Some(name), Some(version)) = (columns.next(), columns.next()) else { continue };
            let newer = match &newest {
                None => true,
                Some(other) => newer(version, other)?,
            };
            if name == package && newer {
                newest = Some(version.to_owned());
            }
        }
        Ok(newest)
    }

    /// Downloads a package, signatures and sums checked by apt.
    pub fn download(&self, package: &Package) -> Result<PathBuf, DebianError> {
        let dir = self.path("packages");
        let mut download = self.command("apt-get");
        download.args(["download", "-qq"]).arg(format!("{}={}", package.name, package.version)).current_dir(&dir);
        process::run(&mut download)?;
        let found = self.io("packages", fs::read_dir)?.flatten().map(|entry| entry.path());
        let start = format!("{}_", package.name);
        found
            .filter(|path| path.extension().is_some_and(|end| end == "deb"))
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)))
            .ok_or_else(|| DebianError::NoDownload { package: package.name.clone() })
    }

    /// Downloads a package and all that it needs and that the machine has not installed. Nothing is installed, and what apt would
    /// take away to install it stays.
    pub fn download_with_dependencies(&self, package: &str) -> Result<Vec<PathBuf>, DebianError> {
        let [status] = machine_paths(["Dir::State::status/f"])?;
        let mut install = self.command("apt-get");
        install.args(["install", "-qq", "--yes", "--download-only", "--no-install-recommends"]);
        install.arg("-o").arg(format!("Dir::State::status={status}"));
        // Nothing of the machine is changed, so nothing needs its locks.
        install.args(["-o", "Debug::NoLocking=1", package]);
        process::run(&mut install)?;
        let found = self.io("cache/archives", fs::read_dir)?.flatten().map(|entry| entry.path());
        let mut packages: Vec<_> = found.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
        packages.sort();
        if packages.is_empty() {
            return Err(DebianError::NoDownload { package: package.to_owned() });
        }
        Ok(packages)
    }
}

fn newer(a: &str, b: &str) -> Result<bool, DebianError> {
    let mut dpkg = process::command("dpkg");
    Ok(process::output(dpkg.args(["--compare-versions", a, "gt", b]))?.status.success())
}

/// Paths of the machine's configuration, as apt itself resolves them.
fn machine_paths<const N: usize>(options: [&str; N]) -> Result<[String; N], DebianError> {
    let mut paths = [const { String::new() }; N];
    for (path, option) in paths.iter_mut().zip(options) {
        let line = process::run(process::command("apt-config").args(["shell", "X", option]))?;
        let value = line.trim().strip_prefix("X=").unwrap_or_default();
        *path = value.trim_matches('\'').to_owned();
    }
    Ok(paths)
}

fn is_root() -> bool {
    // Without libc: the owner of /proc/self is who runs.
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hook_of_the_machine_is_run_and_no_place_of_the_machine_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let apt = match Apt::new(parent.path()) {
            Ok(apt) => apt,
            // Not a machine with apt.
            Err(DebianError::Process(process::ProcessError::Missing { .. })) => return,
            Err(error) => panic!("{error}"),
        };
        let dump = process::run(apt.command("apt-config").arg("dump")).unwrap();
        let inside = parent.path().display().to_string();
        for line in dump.lines().filter(|line| !line.ends_with("\"\";")) {
            let (name, value) = line.split_once(' ').unwrap();
            let name = name.trim_end_matches(':');
            assert!(!HOOKS.contains(&name) && !name.contains("-Invoke"), "{line}");
            let ours =
                ["Dir::State", "Dir::State::lists", "Dir::Cache", "Dir::Cache::archives", "Dir::Etc::sourceparts"];
            assert!(!ours.contains(&name) || value.contains(&inside), "{line}");
        }
        drop(apt);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_source_is_signed_and_of_component_main_alone() {
        let repository = Repository {
            uri: "http://mirror.example/debian".to_owned(),
            release: "forky".to_owned(),
            signed_by: String::new(),
            label: "Debian".to_owned(),
        };
        let stanza = repository.stanza(KEYRING);
        assert!(
            stanza.contains("Suites: forky\nComponents: main\n")
                && stanza.ends_with(&format!("Signed-By: {KEYRING}\n"))
        );
        assert!(repository.is_main_archive());
        assert!(!Repository { label: "Debian-Security".to_owned(), ..repository }.is_main_archive());
    }
}
