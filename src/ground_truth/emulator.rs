//! The emulator: boots a kernel with the agent as its only program, and passes lines to it and back.
//!
//! The kernel's own messages go to a console of their own, so that a warning of it is seen and never stands within a line of
//! the agent.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use cpio::newc;

use crate::trace::agent::{Kernel, Reply};

/// How long a boot, or any answer, may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(300);
/// Slab caches are kept apart, so that a cache is known by its address; the console says warnings.
const COMMAND_LINE: &str = "console=ttyS0 loglevel=5 nokaslr panic=-1 mitigations=off slab_nomerge \
     transparent_hugepage=never numa_balancing=disable rdinit=/init";
/// Bytes of the disk that is swapped to. It has room for far more than a trace swaps out, so that the kernel never thinks that it
/// is nearly full.
const SWAP_BYTES: u64 = 64 << 20;
const PAGE_BYTES: u64 = 4096;
/// What a line of the console has that says that the kernel found something wrong with itself.
const ALARMS: [&str; 6] = ["WARNING: ", "BUG: ", "Oops: ", "kernel BUG at", "general protection fault", "Kernel panic"];

/// The booted kernel cannot be had, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// A file or socket.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// It ended, or said nothing any more.
    #[error("the emulator {how}{console}")]
    Lost {
        /// What happened.
        how: String,
        /// The last of the console.
        console: String,
    },
    /// The agent said that it cannot go on.
    #[error("the agent in the guest: {0}")]
    Agent(String),
    /// What is said is not what was to be said.
    #[error("the agent in the guest said {found:?}, expected {wanted}")]
    Unexpected {
        /// What was said.
        found: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// The debug port.
    #[error("the emulator's debug port: {0}")]
    DebugPort(String),
}

/// What to boot with what.
#[derive(Clone, Debug)]
pub struct Setup {
    /// qemu-system-x86_64, or what stands for it.
    pub emulator: PathBuf,
    /// The kernel's image.
    pub image: PathBuf,
    /// The agent, linked statically.
    pub agent: PathBuf,
    /// Whether page tables are compared. Then the machine has a disk to swap to, and a second node.
    pub pages: bool,
}

/// A running emulator. Ended when dropped.
pub struct Emulator {
    child: Child,
    dir: tempfile::TempDir,
    to: UnixStream,
    lines: Receiver<String>,
    /// How much of the console was looked at, in bytes.
    console_seen: usize,
    /// What the agent found.
    pub kernel: Kernel,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> EmulatorError + '_ {
    move |error| EmulatorError::Io { path: path.to_owned(), error }
}

/// An initramfs that holds the agent as `/init`; the kernel's own has `/dev/console`.
fn initramfs(agent: &Path, to: &Path) -> Result<(), EmulatorError> {
    let program = fs::read(agent).map_err(io_error(agent))?;
    let file = File::create(to).map_err(io_error(to))?;
    let size = u32::try_from(program.len()).unwrap_or(u32::MAX);
    let mut entry = newc::Builder::new("init").mode(0o100_755).write(file, size);
    entry.write_all(&program).map_err(io_error(to))?;
    let file = entry.finish().map_err(io_error(to))?;
    newc::trailer(file).map_err(io_error(to)).map(drop)
}

/// The disk that is swapped to: all that is on it is the header of a swap area (`union swap_header`, include/linux/swap.h).
fn swap_area(to: &Path) -> Result<(), EmulatorError> {
    const SIGNATURE: &[u8] = b"SWAPSPACE2";
    const VERSION: u32 = 1;
    let mut header = vec![0; PAGE_BYTES as usize];
    header[1024..1028].copy_from_slice(&VERSION.to_le_bytes());
    header[1028..1032].copy_from_slice(&((SWAP_BYTES / PAGE_BYTES - 1) as u32).to_le_bytes());
    let end = header.len() - SIGNATURE.len();
    header[end..].copy_from_slice(SIGNATURE);
    let made = File::create(to).and_then(|mut file| {
        file.write_all(&header)?;
        file.set_len(SWAP_BYTES)
    });
    made.map_err(io_error(to))
}

impl Emulator {
    /// Boots, and waits for the agent to be up.
    pub fn boot(setup: &Setup) -> Result<Emulator, EmulatorError> {
        let dir = tempfile::tempdir().map_err(io_error(&std::env::temp_dir()))?;
        let at = |name: &str| dir.path().join(name);
        initramfs(&setup.agent, &at("initramfs"))?;
        let option = |before: &str, name: &str, after: &str| {
            let mut text = OsString::from(before);
            text.push(at(name));
            text.push(after);
            text
        };
        if setup.pages {
            swap_area(&at("swap"))?;
        }
        let stderr = File::create(at("errors")).map_err(io_error(dir.path()))?;
        let mut command = Command::new(&setup.emulator);
        command
            .args(["-accel", "tcg", "-M", "q35", "-cpu", "max", "-m", "512", "-smp", "1"])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(&setup.image)
            .arg("-initrd")
            .arg(at("initramfs"))
            .args(["-append", COMMAND_LINE])
            .arg("-chardev")
            .arg(option("file,id=console,path=", "console", ""))
            .args(["-serial", "chardev:console", "-chardev"])
            .arg(option("socket,id=line,path=", "line", ",server=on,wait=off"))
            .args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=line,name=line", "-chardev"])
            .arg(option("socket,id=debug,path=", "debug", ",server=on,wait=off"))
            .args(["-gdb", "chardev:debug"]);
        if setup.pages {
            command
                .args(["-object", "memory-backend-ram,id=near,size=256M", "-numa", "node,memdev=near,cpus=0"])
                .args(["-object", "memory-backend-ram,id=far,size=256M", "-numa", "node,memdev=far"])
                .args(["-device", "nvme,drive=swap,serial=swap", "-drive"])
                .arg(option("if=none,id=swap,format=raw,file=", "swap", ""));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().map_err(io_error(&setup.emulator))?;
        // From here on whatever goes wrong ends the emulator too.
        let mut child = Guard(Some(child));
        let to = connect(&at("line"), child.0.as_mut(), dir.path())?;
        let from = to.try_clone().map_err(io_error(&at("line")))?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = String::new();
            while from.read_line(&mut line).is_ok_and(|read| read > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    break;
                }
            }
        });
        let Some(child) = child.0.take() else { unreachable!("it is taken here alone") };
        let mut emulator = Emulator { child, dir, to, lines, console_seen: 0, kernel: Kernel::default() };
        match emulator.reply()? {
            Reply::Ready(kernel) => emulator.kernel = kernel,
            other => return Err(EmulatorError::Unexpected { found: format!("{other:?}"), wanted: "that it is ready" }),
        }
        emulator.alarms()?;
        Ok(emulator)
    }

    /// A connection to the debug port.
    pub fn debug_port(&mut self) -> Result<UnixStream, EmulatorError> {
        let path = self.dir.path().join("debug");
        UnixStream::connect(&path).map_err(io_error(&path))
    }

    /// Sends one line.
    pub fn send(&mut self, line: &str) -> Result<(), EmulatorError> {
        let sent = self.to.write_all(line.as_bytes()).and_then(|()| self.to.write_all(b"\n"));
        sent.map_err(|error| self.lost(&format!("takes no more lines: {error}")))
    }

    /// Waits for what the agent says next.
    pub fn reply(&mut self) -> Result<Reply, EmulatorError> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => self.decode(&line),
            Err(RecvTimeoutError::Timeout) => Err(self.lost("says nothing any more")),
            Err(RecvTimeoutError::Disconnected) => Err(self.lost("ended")),
        }
    }

    /// What the agent has said, if it has.
    pub fn try_reply(&mut self) -> Result<Option<Reply>, EmulatorError> {
        match self.lines.try_recv() {
            Ok(line) => self.decode(&line).map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(self.lost("ended")),
        }
    }

    fn decode(&mut self, line: &str) -> Result<Reply, EmulatorError> {
        match serde_json::from_str(line) {
            Ok(Reply::Error(error)) => Err(EmulatorError::Agent(error)),
            Ok(reply) => Ok(reply),
            Err(error) => {
                let found = format!("{}: {error}", line.trim_end());
                Err(EmulatorError::Unexpected { found, wanted: "a reply" })
            }
        }
    }

    /// What the kernel's console says that it should not, since this was asked last.
    pub fn alarms(&mut self) -> Result<Vec<String>, EmulatorError> {
        let path = self.dir.path().join("console");
        let text = fs::read(&path).map_err(io_error(&path))?;
        let new = String::from_utf8_lossy(&text[self.console_seen.min(text.len())..]).into_owned();
        self.console_seen = text.len();
        let alarming = |line: &&str| ALARMS.iter().any(|alarm| line.contains(alarm));
        Ok(new.lines().filter(alarming).map(str::to_owned).collect())
    }

    fn lost(&mut self, how: &str) -> EmulatorError {
        lost(how, Some(&mut self.child), self.dir.path())
    }
}

/// Ends a child that nobody has taken over.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn connect(path: &Path, mut child: Option<&mut Child>, dir: &Path) -> Result<UnixStream, EmulatorError> {
    let begun = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if begun.elapsed() > PATIENCE => return Err(io_error(path)(error)),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
        if child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)))) {
            return Err(lost("ended at once", None, dir));
        }
    }
}

fn lost(how: &str, child: Option<&mut Child>, dir: &Path) -> EmulatorError {
    let status = child.and_then(|child| child.try_wait().ok().flatten());
    let how = status.map_or_else(|| how.to_owned(), |status| format!("{how} ({status})"));
    let mut console = String::new();
    for name in ["errors", "console"] {
        let text = fs::read(dir.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<_> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(12)..] {
            console.push_str("\n  ");
            console.push_str(line);
        }
    }
    EmulatorError::Lost { how, console }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It has nothing that must be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
