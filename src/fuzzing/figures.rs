//! What a fuzz target tells of its run that libFuzzer does not count.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

/// How often they are written.
const EVERY: Duration = Duration::from_millis(500);

/// Figures of one process, in a file of its own in the directory `$RMAP_FUZZ_STATS`: several may share a run, and
/// `scripts/fuzz` adds them up.
pub(super) struct Figures {
    file: Option<PathBuf>,
    written: Option<Instant>,
}

impl Figures {
    /// None are wanted where no directory is named.
    pub(super) fn from_env() -> Figures {
        let dir = env::var_os("RMAP_FUZZ_STATS").map(PathBuf::from);
        Figures { file: dir.map(|dir| dir.join(process::id().to_string())), written: None }
    }

    /// Writes them, if it is time or `now`. A figure that cannot be written is not worth a run.
    pub(super) fn write(&mut self, now: bool, text: impl FnOnce() -> String) {
        let Some(file) = &self.file else { return };
        if !now && self.written.is_some_and(|written| written.elapsed() < EVERY) {
            return;
        }
        self.written = Some(Instant::now());
        let beside = file.with_extension("tmp");
        let _ = fs::write(&beside, text()).and_then(|()| fs::rename(&beside, file));
    }
}
