//! Trees in git. Of a repository on this machine the needed files of one commit are read as they are. From a
//! repository elsewhere one revision is fetched, shallow and without blobs, and the needed paths are checked
//! out; a server that cannot leave blobs out sends them all, which is slower and no worse.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::{SourceError, copy_needed, io_error};
use crate::needed::{needed, sparse_patterns};
use crate::process::{self, ProcessError};

/// Whether this names a repository elsewhere: `https://...`, `file://...`, `user@host:path`.
pub fn is_url(tree: &str) -> bool {
    if Path::new(tree).exists() {
        return false;
    }
    tree.contains("://")
        || tree.split_once(':').is_some_and(|(host, path)| {
            !path.is_empty() && host.len() > 1 && !host.contains('/') && host.contains(['@', '.'])
        })
}

/// Whether a directory is a repository without a work tree.
pub fn is_bare(dir: &Path) -> bool {
    !dir.join(".git").exists() && dir.join("HEAD").is_file() && dir.join("objects").is_dir()
}

/// Whether a directory is the top of a work tree, or a bare repository.
pub fn is_repository(dir: &Path) -> bool {
    dir.join(".git").exists() || is_bare(dir)
}

/// The commit that a work tree stands at, short; none if it is no work tree.
pub fn head(dir: &Path) -> Option<String> {
    if !dir.join(".git").exists() {
        return None;
    }
    let mut git = process::git(["rev-parse", "--short=12", "HEAD"]);
    git.current_dir(dir);
    process::run(&mut git).ok().map(|text| text.trim().to_owned())
}

/// Brings `rev` of a repository on this machine, where it may be anything that git understands. The needed
/// files are read from the repository as it is, so it may be shallow, or a clone without blobs.
pub fn bring_local(repository: &Path, rev: &str, to: &Path) -> Result<String, SourceError> {
    let tree = repository.display().to_string();
    check_rev(&tree, rev)?;
    let mut git = process::git(["rev-parse", "--verify", "--quiet"]);
    git.arg(format!("{rev}^{{commit}}")).current_dir(repository);
    let commit = process::run(&mut git).map_err(|error| no_revision(&tree, rev, error))?;
    read_files(repository, commit.trim(), to)?;
    Ok(origin(&format!("file://{tree}"), rev, commit.trim()))
}

/// A file of a commit: its path, and the name of its content.
struct Entry {
    path: String,
    object: String,
}

/// The needed files of a commit. The kernel has no symbolic link among them.
fn needed_entries(repository: &Path, commit: &str) -> Result<Vec<Entry>, SourceError> {
    let mut git = process::git(["ls-tree", "-r", "-z", commit]);
    git.current_dir(repository);
    let listing = process::run(&mut git)?;
    let mut entries = Vec::new();
    for line in listing.split('\0') {
        let Some((attributes, path)) = line.split_once('\t') else { continue };
        let mut attributes = attributes.split(' ');
        if let (Some("100644" | "100755"), Some("blob"), Some(object)) =
            (attributes.next(), attributes.next(), attributes.next())
            && needed(path)
        {
            entries.push(Entry { path: path.to_owned(), object: object.to_owned() });
        }
    }
    Ok(entries)
}

/// Writes the needed files of a commit below `to`. One process of git reads them all.
fn read_files(repository: &Path, commit: &str, to: &Path) -> Result<(), SourceError> {
    let entries = needed_entries(repository, commit)?;
    let wanted: String = entries.iter().map(|entry| format!("{}\n", entry.object)).collect();
    let mut git = process::git(["cat-file", "--batch"]);
    git.current_dir(repository);
    process::pipe(git, Some(&mut wanted.as_bytes()), |output| {
        let mut output = BufReader::new(output);
        entries.iter().try_for_each(|entry| {
            let text = next_object(&mut output).map_err(|reason| SourceError::BadArchive {
                archive: format!("{} at {commit}: {}", repository.display(), entry.path),
                reason,
            })?;
            let file = to.join(&entry.path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).map_err(io_error(parent))?;
            }
            fs::write(&file, text).map_err(io_error(&file))
        })
    })
}

/// The next answer of `git cat-file --batch`: a line `OBJECT TYPE SIZE`, the content, an end of line.
fn next_object(output: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let mut head = String::new();
    output.read_line(&mut head).map_err(|error| error.to_string())?;
    let size = head.trim_end().rsplit_once(' ').and_then(|(_, size)| size.parse::<usize>().ok());
    let size = size.ok_or_else(|| format!("git cannot read its content: `{}`", head.trim_end()))?;
    let mut text = vec![0; size + 1];
    output.read_exact(&mut text).map_err(|error| error.to_string())?;
    text.truncate(size);
    Ok(text)
}

/// Brings `rev` (a branch, a tag or a full commit id) of a repository elsewhere.
pub fn bring(url: &str, rev: &str, to: &Path, scratch: &Path) -> Result<String, SourceError> {
    check_rev(url, rev)?;
    let commit = fetch(url, rev, to, scratch)?;
    Ok(origin(url, rev, &commit))
}

fn origin(url: &str, rev: &str, commit: &str) -> String {
    let short = commit.get(..12).unwrap_or(commit);
    format!("git {} at {rev} (commit {short})", without_password(url))
}

/// A note is read by others: no user name or password in it.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

/// A revision that git would take for an option, or for several.
fn check_rev(tree: &str, rev: &str) -> Result<(), SourceError> {
    if rev.is_empty() || rev.starts_with('-') || rev.contains(char::is_whitespace) || rev.contains(':') {
        let reason = "that is not a revision's name".to_owned();
        return Err(SourceError::NoSuchRevision { tree: tree.to_owned(), rev: rev.to_owned(), reason });
    }
    Ok(())
}

fn no_revision(tree: &str, rev: &str, error: ProcessError) -> SourceError {
    match error {
        ProcessError::Failed { output, .. } => {
            let reason = if output.is_empty() { "git does not know it".to_owned() } else { output };
            SourceError::NoSuchRevision { tree: tree.to_owned(), rev: rev.to_owned(), reason }
        }
        other => other.into(),
    }
}

/// Fetches one revision and checks its needed paths out; the commit's id.
fn fetch(url: &str, rev: &str, to: &Path, scratch: &Path) -> Result<String, SourceError> {
    let dir = scratch.join("git");
    fs::create_dir_all(&dir).map_err(io_error(&dir))?;
    let git = |arguments: &[&str]| {
        let mut git = process::git(arguments);
        git.current_dir(&dir);
        process::run(&mut git)
    };
    git(&["init", "--quiet"])?;
    git(&["remote", "add", "origin", url])?;
    // A promise that what was left out can be had later; the checkout then asks for it.
    git(&["config", "remote.origin.promisor", "true"])?;
    git(&["config", "remote.origin.partialclonefilter", "blob:none"])?;
    let quiet = ["fetch", "--quiet", "--no-tags", "--depth=1"];
    let with_filter: Vec<&str> = quiet.iter().copied().chain(["--filter=blob:none", "origin", rev]).collect();
    let without: Vec<&str> = quiet.iter().copied().chain(["origin", rev]).collect();
    if git(&with_filter).is_err() {
        git(&without).map_err(|error| no_revision(&without_password(url), rev, error))?;
    }
    let commit = git(&["rev-parse", "--verify", "FETCH_HEAD^{commit}"])?;
    let patterns = sparse_patterns();
    let sparse: Vec<&str> =
        ["sparse-checkout", "set", "--no-cone"].into_iter().chain(patterns.iter().map(String::as_str)).collect();
    git(&sparse)?;
    git(&["checkout", "--quiet", "--detach", commit.trim()])?;
    copy_needed(&dir, to)?;
    Ok(commit.trim().to_owned())
}
