//! A trace on the booted kernel.

use std::collections::HashMap;

use super::debug_port::DebugPort;
use super::emulator::{Emulator, EmulatorError, Setup};
use super::failures;
use super::observed::{Attempt, Observed};
use super::userland::Played;
use crate::rmap::dump::{Dump, Live, Process};
use crate::trace::agent::{Kernel, Reply, Request};

/// A booted kernel that plays traces.
pub struct Guest {
    emulator: Emulator,
    port: Option<DebugPort>,
    /// Whether dumps have page tables.
    pages: bool,
    /// Frames that have been taken out of use for good, at most.
    lost_frames: usize,
}

/// A kernel that has lost so many frames is to be booted again. In the worst case each of them was of another block of 2 MB, which no
/// huge page has room in any more; the machine has 256 such blocks.
const MAX_LOST_FRAMES: usize = 64;

/// As the agent begins a trace: process 0 with nothing in its window.
fn beginning() -> Dump {
    Dump {
        kernel: String::new(),
        side: "guest".into(),
        processes: vec![Process { id: 0, vmas: Vec::new() }],
        anon_vmas: Vec::new(),
        live: Live { anon_vma: 0, anon_vma_chain: 0 },
        pages: None,
    }
}

impl Guest {
    /// Boots.
    pub fn boot(setup: &Setup) -> Result<Guest, EmulatorError> {
        Ok(Guest { emulator: Emulator::boot(setup)?, port: None, pages: setup.pages, lost_frames: 0 })
    }

    /// `uname -r`
    pub fn release(&self) -> &str {
        &self.emulator.kernel.release
    }

    /// What it is, and has.
    pub fn kernel(&self) -> &Kernel {
        &self.emulator.kernel
    }

    /// Whether failed and soft-offlined memory may soon have left no room for a huge page. Then a trace with one would show something
    /// else than on a kernel that was just booted.
    pub fn is_worn_out(&self) -> bool {
        self.lost_frames >= MAX_LOST_FRAMES
    }

    /// Plays what was played in userland: the attempts that failed there fail here. `contents`: whether processes write something
    /// new each time.
    pub fn play(&mut self, userland: &Played, contents: bool) -> Result<Vec<Observed>, EmulatorError> {
        let Played { trace, steps: expected, soft_offlined } = userland;
        self.lost_frames += userland.lost_frames();
        let failing: HashMap<usize, &[Attempt]> = expected
            .iter()
            .enumerate()
            .filter_map(|(step, ours)| Some((step, ours.attempts.as_deref()?)))
            .filter(|(_, attempts)| attempts.iter().any(|attempt| attempt.failed))
            .collect();
        if !failing.is_empty() && self.port.is_none() {
            let mut port = DebugPort::new(self.emulator.debug_port()?)?;
            port.run()?;
            self.port = Some(port);
        }
        let mut marked: Vec<usize> = failing.keys().copied().collect();
        marked.sort_unstable();
        let soft_offlined = soft_offlined.clone();
        let request = Request { trace: trace.to_string(), marked, soft_offlined, pages: self.pages, contents };
        let line = serde_json::to_string(&request).map_err(|error| EmulatorError::Agent(error.to_string()))?;
        self.emulator.send(&line)?;
        let mut steps: Vec<Observed> = Vec::new();
        let mut watched = None;
        loop {
            let reply = self.emulator.reply()?;
            match (reply, &mut self.port) {
                (Reply::Before(step), Some(port)) if failing.contains_key(&step) => {
                    watched = Some(failures::watch(&mut self.emulator, port, step, failing[&step])?);
                }
                (Reply::Step { step, errno, dump }, _) if step == steps.len() => {
                    let last = || steps.last().map_or_else(beginning, |step| step.dump.clone());
                    let dump = dump.unwrap_or_else(last);
                    let warnings = self.emulator.alarms()?;
                    steps.push(Observed { errno, dump, attempts: watched.take(), warnings });
                }
                (Reply::End, _) if steps.len() == trace.ops.len() => return Ok(steps),
                (other, _) => {
                    return Err(EmulatorError::Unexpected { found: format!("{other:?}"), wanted: "the next step" });
                }
            }
        }
    }
}
