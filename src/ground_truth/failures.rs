//! Allocations of a marked operation, watched and made to fail: a breakpoint at the slab allocation, where the cache
//! that it is asked for says whether it is one that counts.

use std::time::Duration;

use super::debug_port::DebugPort;
use super::emulator::{Emulator, EmulatorError};
use super::observed::Attempt;
use crate::rmap::Cache;
use crate::trace::agent::Reply;

/// How long the machine runs between two looks at the agent's line.
const SLICE: Duration = Duration::from_millis(2);

/// Watches one operation, which the agent has announced, until the agent says that it is over. Those attempts fail that
/// failed in the userland run; of what comes after those of the userland run none does.
pub fn watch(
    emulator: &mut Emulator,
    port: &mut DebugPort,
    step: usize,
    wanted: &[Attempt],
) -> Result<Vec<Attempt>, EmulatorError> {
    let address = emulator.kernel.kmem_cache_alloc;
    let caches = emulator.kernel.caches;
    let mut attempts: Vec<Attempt> = Vec::new();
    // The stack of a call that an interrupt kept from going on.
    let mut held_up = None;
    port.stop()?;
    port.insert(address)?;
    port.run()?;
    emulator.send("")?;
    loop {
        if port.stopped(SLICE)? {
            let registers = port.registers()?;
            let cache = caches.iter().position(|&cache| cache == registers.rdi);
            let cache = cache.and_then(|number| Cache::from_u8(number as u8));
            if registers.rip != address {
                return Err(EmulatorError::DebugPort(format!("it stopped at {:#x}", registers.rip)));
            }
            let mut failed = false;
            if let Some(cache) = cache.filter(|_| held_up != Some(registers.rsp)) {
                failed = wanted.get(attempts.len()).is_some_and(|attempt| attempt.failed);
                attempts.push(Attempt { cache, failed });
            }
            if held_up == Some(registers.rsp) {
                held_up = None;
            }
            if failed {
                port.return_null(&registers)?;
            } else if !port.step_over(address)? {
                held_up = Some(registers.rsp);
            }
            port.run()?;
            continue;
        }
        match emulator.try_reply()? {
            None => (),
            Some(Reply::After(after)) if after == step => break,
            Some(other) => {
                return Err(EmulatorError::Unexpected {
                    found: format!("{other:?}"),
                    wanted: "the end of the operation",
                });
            }
        }
    }
    port.stop()?;
    port.remove(address)?;
    port.run()?;
    emulator.send("")?;
    Ok(attempts)
}
