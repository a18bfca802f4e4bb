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

/// Writes the needed files of a commit below `to`. One process of git reads them all. As in a copy of a work tree,
/// a symbolic link to a file becomes that file, and a link to nothing is left out.
fn read_files(repository: &Path, commit: &str, to: &Path) -> Result<(), SourceError> {
    let mut git = process::git(["ls-tree", "-r", "-z", "--name-only", commit]);
    git.current_dir(repository);
    let listing = process::run(&mut git)?;
    let paths: Vec<&str> = listing.split('\0').filter(|path| needed(path) && !path.contains('\n')).collect();
    let wanted: String = paths.iter().map(|path| format!("{commit}:{path}\n")).collect();
    let mut git = process::git(["cat-file", "--batch", "--follow-symlinks"]);
    git.current_dir(repository);
    process::pipe(git, Some(&mut wanted.as_bytes()), |output| {
        let mut output = BufReader::new(output);
        paths.iter().try_for_each(|path| {
            let text = next_file(&mut output).map_err(|reason| SourceError::BadArchive {
                archive: format!("{} at {commit}: {path}", repository.display()),
                reason,
            })?;
            let Some(text) = text else { return Ok(()) };
            let file = to.join(path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).map_err(io_error(parent))?;
            }
            fs::write(&file, text).map_err(io_error(&file))
        })
    })
}

/// The next answer of `git cat-file --batch`: a line that ends in the size, the content, an end of line. None if it
/// is no file but a link to nothing, to a directory or out of the tree.
fn next_file(output: &mut impl BufRead) -> Result<Option<Vec<u8>>, String> {
    let mut head = String::new();
    output.read_line(&mut head).map_err(|error| error.to_string())?;
    let mut words = head.trim_end().rsplit(' ');
    let size = words.next().and_then(|size| size.parse::<usize>().ok());
    let size = size.ok_or_else(|| format!("git cannot read its content: `{}`", head.trim_end()))?;
    let mut text = vec![0; size + 1];
    output.read_exact(&mut text).map_err(|error| error.to_string())?;
    text.truncate(size);
    Ok((words.next() == Some("blob")).then_some(text))
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
