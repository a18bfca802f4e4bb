//! The emulator's debug port: as much of the remote serial protocol as breakpoints at a kernel function take.
//!
//! The machine stands still while the port is asked anything, and from the moment that the port is connected to.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::emulator::EmulatorError;

/// How long the emulator may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an instruction at most.
const LONGEST_INSTRUCTION: u64 = 15;

/// How long nothing must come before a connection has settled.
const SETTLE: Duration = Duration::from_millis(300);

/// Numbers of registers in the protocol (the feature `org.gnu.gdb.i386.core`, 64-bit).
const RAX: usize = 0;
const RDI: usize = 5;
const RSP: usize = 7;
const RIP: usize = 16;

/// A connection to the debug port.
pub struct DebugPort {
    stream: UnixStream,
    /// Bytes that have come and were not looked at.
    pending: Vec<u8>,
}

/// The registers that matter at the entry of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registers {
    /// The first argument.
    pub rdi: u64,
    /// The address of the stack's top, where the return address is.
    pub rsp: u64,
    /// The address of the next instruction.
    pub rip: u64,
    /// All of them, as the port dumps them.
    all: String,
}

fn broken(error: io::Error) -> EmulatorError {
    EmulatorError::DebugPort(error.to_string())
}

/// A packet as it is sent: `$payload#checksum`.
fn packet(payload: &str) -> String {
    let sum = payload.bytes().fold(0u8, u8::wrapping_add);
    format!("${payload}#{sum:02x}")
}

/// The first whole packet of what has come, which is taken out of it.
fn take_packet(pending: &mut Vec<u8>) -> Result<Option<String>, EmulatorError> {
    let Some(start) = pending.iter().position(|&byte| byte == b'$') else {
        // Acknowledgements.
        pending.clear();
        return Ok(None);
    };
    let Some(end) = pending[start..].iter().position(|&byte| byte == b'#').map(|at| start + at) else {
        return Ok(None);
    };
    if pending.len() < end + 3 {
        return Ok(None);
    }
    let payload = String::from_utf8_lossy(&pending[start + 1..end]).into_owned();
    let sum = String::from_utf8_lossy(&pending[end + 1..end + 3]).into_owned();
    pending.drain(..end + 3);
    if packet(&payload).ends_with(&sum) {
        Ok(Some(payload))
    } else {
        Err(EmulatorError::DebugPort(format!("the packet {payload:?} has the checksum {sum}")))
    }
}

/// A little-endian word of a register dump.
fn word(hex: &str, number: usize) -> Option<u64> {
    let bytes = hex.get(number * 16..number * 16 + 16)?;
    u64::from_str_radix(bytes, 16).ok().map(u64::swap_bytes)
}

impl DebugPort {
    /// Takes over a connection; the machine stands still.
    pub fn new(stream: UnixStream) -> Result<DebugPort, EmulatorError> {
        let mut port = DebugPort { stream, pending: Vec::new() };
        port.ask("?")?;
        // That it stopped because of the connection is told besides, before or after.
        while port.answer(SETTLE)?.is_some() {}
        Ok(port)
    }

    /// Sends a packet and waits for the answer.
    fn ask(&mut self, payload: &str) -> Result<String, EmulatorError> {
        self.send(payload)?;
        self.answer(PATIENCE)?.ok_or_else(|| EmulatorError::DebugPort(format!("no answer to {payload:?}")))
    }

    fn expect_ok(&mut self, payload: &str) -> Result<(), EmulatorError> {
        match self.ask(payload)?.as_str() {
            "OK" => Ok(()),
            other => Err(EmulatorError::DebugPort(format!("{other:?} is the answer to {payload:?}"))),
        }
    }

    fn send(&mut self, payload: &str) -> Result<(), EmulatorError> {
        self.stream.write_all(packet(payload).as_bytes()).map_err(broken)
    }

    /// The next packet, if it comes in time.
    fn answer(&mut self, patience: Duration) -> Result<Option<String>, EmulatorError> {
        self.stream.set_read_timeout(Some(patience)).map_err(broken)?;
        loop {
            if let Some(payload) = take_packet(&mut self.pending)? {
                self.stream.write_all(b"+").map_err(broken)?;
                return Ok(Some(payload));
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(EmulatorError::DebugPort("it was closed".into())),
                Ok(read) => self.pending.extend_from_slice(&bytes[..read]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// Lets the machine run.
    pub fn run(&mut self) -> Result<(), EmulatorError> {
        self.send("c")
    }

    /// Stops the machine.
    pub fn stop(&mut self) -> Result<(), EmulatorError> {
        self.stream.write_all(&[3]).map_err(broken)?;
        match self.stopped(PATIENCE)? {
            true => Ok(()),
            false => Err(EmulatorError::DebugPort("the machine does not stop".into())),
        }
    }

    /// Whether the running machine comes to a stop in time.
    pub fn stopped(&mut self, patience: Duration) -> Result<bool, EmulatorError> {
        match self.answer(patience)? {
            None => Ok(false),
            Some(stop) if stop.starts_with(['T', 'S']) => Ok(true),
            Some(other) => Err(EmulatorError::DebugPort(format!("{other:?} instead of a stop"))),
        }
    }

    /// Sets a breakpoint at an address.
    pub fn insert(&mut self, address: u64) -> Result<(), EmulatorError> {
        self.expect_ok(&format!("Z0,{address:x},1"))
    }

    /// Takes it away.
    pub fn remove(&mut self, address: u64) -> Result<(), EmulatorError> {
        self.expect_ok(&format!("z0,{address:x},1"))
    }

    /// Goes past the breakpoint at this address, at which the machine stands; tells whether it did. If not, an interrupt came
    /// first, and the same call is going to stop there again.
    pub fn step_over(&mut self, address: u64) -> Result<bool, EmulatorError> {
        self.remove(address)?;
        let stop = self.ask("s")?;
        if !stop.starts_with(['T', 'S']) {
            return Err(EmulatorError::DebugPort(format!("{stop:?} after a step")));
        }
        let rip = self.registers()?.rip;
        self.insert(address)?;
        Ok(rip.checked_sub(address).is_some_and(|past| (1..=LONGEST_INSTRUCTION).contains(&past)))
    }

    /// The registers of the machine that stands still.
    pub fn registers(&mut self) -> Result<Registers, EmulatorError> {
        let hex = self.ask("g")?;
        let word = |number| word(&hex, number).ok_or_else(|| EmulatorError::DebugPort(format!("registers {hex:?}")));
        Ok(Registers { rdi: word(RDI)?, rsp: word(RSP)?, rip: word(RIP)?, all: hex.clone() })
    }

    /// The machine stands at the entry of a function: it returns 0 at once.
    pub fn return_null(&mut self, registers: &Registers) -> Result<(), EmulatorError> {
        let hex = self.ask(&format!("m{:x},8", registers.rsp))?;
        let back = word(&hex, 0).ok_or_else(|| EmulatorError::DebugPort(format!("stack {hex:?}")))?;
        // All at once: single registers take a description of the machine that is asked for first.
        let mut all = registers.all.clone();
        for (number, value) in [(RAX, 0), (RSP, registers.rsp.wrapping_add(8)), (RIP, back)] {
            all.replace_range(number * 16..number * 16 + 16, &format!("{:016x}", value.swap_bytes()));
        }
        self.expect_ok(&format!("G{all}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_whole_or_not_at_all() {
        assert_eq!(packet("OK"), "$OK#9a");
        let mut pending = b"++$O".to_vec();
        assert_eq!(take_packet(&mut pending).unwrap(), None);
        pending.extend_from_slice(b"K#9a+$T05#b9");
        assert_eq!(take_packet(&mut pending).unwrap().as_deref(), Some("OK"));
        assert_eq!(take_packet(&mut pending).unwrap().as_deref(), Some("T05"));
        assert_eq!(take_packet(&mut pending).unwrap(), None);
        assert!(take_packet(&mut b"$OK#00".to_vec()).is_err());
    }

    #[test]
    fn words_are_little_endian() {
        let hex = "0000000000000000efcdab8967452301";
        assert_eq!((word(hex, 0), word(hex, 1), word(hex, 2)), (Some(0), Some(0x0123_4567_89ab_cdef), None));
    }

    /// What an emulator would answer, in order; what it was asked.
    fn conversation(answers: [String; 3], talk: impl FnOnce(&mut DebugPort)) -> String {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(packet("T05").as_bytes()).unwrap();
        let mut port = DebugPort::new(ours).unwrap();
        for answer in answers {
            theirs.write_all(packet(&answer).as_bytes()).unwrap();
        }
        talk(&mut port);
        drop(port);
        let mut asked = String::new();
        theirs.read_to_string(&mut asked).unwrap();
        asked.replace('+', "")
    }

    #[test]
    fn a_function_is_made_to_return_null() {
        let dump = |words: [u64; 17]| {
            let words = words.map(|word| format!("{:016x}", word.swap_bytes()));
            // Flags and all that follows.
            words.concat() + "46020000"
        };
        let before = [0xff, 1, 2, 3, 4, 5, 6, 0x100, 8, 9, 10, 11, 12, 13, 14, 15, 0x10];
        let back = 0x8877_6655_4433_2211;
        let answers = [dump(before), format!("{:016x}", u64::swap_bytes(back)), "OK".into()];
        let asked = conversation(answers, |port| {
            let registers = port.registers().unwrap();
            assert_eq!((registers.rdi, registers.rsp, registers.rip), (5, 0x100, 0x10));
            port.return_null(&registers).unwrap();
        });
        let mut after = before;
        (after[RAX], after[RSP], after[RIP]) = (0, 0x108, back);
        let after = dump(after);
        assert!(asked.contains("$m100,8#") && asked.contains(&format!("$G{after}#")), "{asked}");
    }
}
