//! Running other programs: every exit status is looked at, and a program that is not there is
//! an error that says what to install.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Command, Output, Stdio};

/// A program could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is not installed.
    #[error("{program}: not found; install {package} and try again")]
    Missing {
        /// What was to be run.
        program: String,
        /// The package that brings it.
        package: &'static str,
    },
    /// It could not be started, or a pipe to it broke.
    #[error("{program}: {error}")]
    Io {
        /// What was to be run.
        program: String,
        /// Why not.
        error: io::Error,
    },
    /// It said no.
    #[error("{program} failed ({status}): {output}")]
    Failed {
        /// The program with its arguments.
        program: String,
        /// Its exit status.
        status: String,
        /// What it wrote to its standard error, else to its standard output.
        output: String,
    },
}

/// The package that brings a program, by Debian's names, which most others share.
fn package(program: &str) -> &'static str {
    match program {
        "xz" => "xz-utils",
        "gzip" => "gzip",
        "zstd" => "zstd",
        "bzip2" => "bzip2",
        "patch" => "patch (GNU patch)",
        "dpkg-deb" => "dpkg",
        "apt-get" | "apt-cache" | "apt-config" => {
            "apt (where there is none, add a tree by hand: make kernel NAME=... TREE=...)"
        }
        "git" => "git",
        _ => "it",
    }
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn words(command: &Command) -> String {
    let mut words = name(command);
    for argument in command.get_args() {
        words.push(' ');
        words.push_str(&argument.to_string_lossy());
    }
    words
}

fn start_error(command: &Command, error: io::Error) -> ProcessError {
    let program = name(command);
    if error.kind() == io::ErrorKind::NotFound {
        ProcessError::Missing { package: package(&program), program }
    } else {
        ProcessError::Io { program, error }
    }
}

/// A command with a locale whose messages can be read by a program.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// `git`, deaf to a surrounding repository (a hook sets `GIT_DIR`) and unable to ask questions.
pub fn git<I, S>(arguments: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut git = command("git");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
        git.env_remove(variable);
    }
    git.env("GIT_TERMINAL_PROMPT", "0").args(["-c", "advice.detachedHead=false", "-c", "core.autocrlf=false"]);
    git.args(arguments);
    git
}

/// Runs a command to its end, whatever it says.
pub fn output(command: &mut Command) -> Result<Output, ProcessError> {
    command.output().map_err(|error| start_error(command, error))
}

/// Runs a command that must succeed; its standard output as text.
pub fn run(command: &mut Command) -> Result<String, ProcessError> {
    let output = output(command)?;
    if !output.status.success() {
        return Err(failed(command, &output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The error of a command that ended badly.
pub fn failed(command: &Command, output: &Output) -> ProcessError {
    let text = if output.stderr.iter().all(u8::is_ascii_whitespace) { &output.stdout } else { &output.stderr };
    ProcessError::Failed {
        program: words(command),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(text).trim().to_owned(),
    }
}

/// Feeds `input` to a command and gives its output to `read`. The command must succeed, unless
/// `read` itself failed: then its error is the one to hear of.
pub fn pipe<T, E: From<ProcessError>>(
    mut command: Command,
    input: Option<&mut (dyn Read + Send)>,
    read: impl FnOnce(&mut dyn Read) -> Result<T, E>,
) -> Result<T, E> {
    let io_error = |program: &str, error| ProcessError::Io { program: program.to_owned(), error };
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = name(&command);
    let mut child = command.spawn().map_err(|error| start_error(&command, error))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdout), Some(mut stderr)) = (stdout, stderr) else {
        return Err(io_error(&program, io::Error::other("no pipe")).into());
    };
    let (result, fed, complaint) = std::thread::scope(|scope| {
        let complaint = scope.spawn(move || {
            let mut text = Vec::new();
            // What cannot be read of a complaint is no reason to fail.
            let _ = stderr.read_to_end(&mut text);
            text
        });
        let feeder = scope.spawn(move || feed(stdin, input));
        let result = read(&mut stdout);
        if result.is_ok() {
            // Padding after the end of an archive: take it, so that the writer does not die of SIGPIPE.
            let _ = io::copy(&mut stdout, &mut io::sink());
        }
        drop(stdout);
        let fed = feeder.join().unwrap_or_else(|_| Err(io::Error::other("the feeding thread died")));
        (result, fed, complaint.join().unwrap_or_default())
    });
    let status = child.wait().map_err(|error| io_error(&program, error))?;
    // A writer whose reader has gone away has nothing to say of its own.
    let has_a_say = !complaint.is_empty() && !String::from_utf8_lossy(&complaint).contains("Broken pipe");
    if !status.success() && (result.is_ok() || has_a_say) {
        return Err(failed(&command, &Output { status, stdout: Vec::new(), stderr: complaint }).into());
    }
    let result = result?;
    fed.map_err(|error| io_error(&program, error))?;
    Ok(result)
}

fn feed(to: Option<impl Write>, from: Option<&mut (dyn Read + Send)>) -> io::Result<()> {
    if let (Some(mut to), Some(from)) = (to, from) {
        match io::copy(from, &mut to) {
            // The reader had enough: its status says whether that is an error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}
