//! The kernel's memory through `/proc/kcore`, and where its symbols are.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;

use object::LittleEndian;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use rmap_trace::PAGE_LIMIT;
use rmap_trace::agent::FIRST_PAGE;

use crate::Error;

pub const PAGE_SHIFT: u32 = 12;
/// The address at which the window ends: all that the agent has mapped for itself lies above.
pub const WINDOW_END: u64 = (FIRST_PAGE + PAGE_LIMIT) << PAGE_SHIFT;

/// As much of the beginning of `/proc/kcore` as holds its program headers.
const HEADERS: usize = 1 << 14;

/// What can be read, by address.
pub struct Memory {
    file: File,
    /// Address, length, place in the file.
    segments: Vec<(u64, u64, u64)>,
}

/// The bytes of one object.
pub struct Bytes {
    /// Where it is.
    pub address: u64,
    bytes: Vec<u8>,
}

impl Bytes {
    /// The word at an offset; the offsets are the kernel's own, and within the object.
    pub fn word(&self, at: usize) -> u64 {
        u64::from(self.half(at)) | u64::from(self.half(at + 4)) << 32
    }

    /// The 32-bit word at an offset.
    pub fn half(&self, at: usize) -> u32 {
        let mut four = [0; 4];
        four.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_le_bytes(four)
    }
}

impl Memory {
    /// Opens `/proc/kcore`.
    pub fn open() -> Result<Memory, Error> {
        let io = |error| Error::Io("/proc/kcore".into(), error);
        let file = File::open("/proc/kcore").map_err(io)?;
        let mut headers = vec![0; HEADERS];
        let read = file.read_at(&mut headers, 0).map_err(io)?;
        let headers = &headers[..read];
        let bad = |error| Error::Kcore(format!("its headers: {error}"));
        let header = FileHeader64::<LittleEndian>::parse(headers).map_err(bad)?;
        let programs = header.program_headers(LittleEndian, headers).map_err(bad)?;
        let loads = programs.iter().filter(|p| p.p_type(LittleEndian) == PT_LOAD);
        let segments =
            loads.map(|p| (p.p_vaddr(LittleEndian), p.p_memsz(LittleEndian), p.p_offset(LittleEndian))).collect();
        Ok(Memory { file, segments })
    }

    /// So many bytes of the kernel's memory.
    pub fn read(&self, address: u64, size: usize) -> Result<Bytes, Error> {
        let within = |&&(start, len, _): &&(u64, u64, u64)| {
            address.checked_sub(start).is_some_and(|offset| offset.saturating_add(size as u64) <= len)
        };
        let (start, _, place) =
            self.segments.iter().find(within).ok_or_else(|| Error::Kcore(format!("{address:#x} is not in it")))?;
        let mut bytes = vec![0; size];
        self.file
            .read_exact_at(&mut bytes, place + (address - start))
            .map_err(|error| Error::Io(format!("/proc/kcore at {address:#x}"), error))?;
        Ok(Bytes { address, bytes })
    }

    /// One word.
    pub fn word(&self, address: u64) -> Result<u64, Error> {
        Ok(self.read(address, 8)?.word(0))
    }
}

/// The addresses of symbols, each the first of its names that there is.
pub fn symbols<const N: usize>(wanted: [&[&str]; N]) -> Result<[u64; N], Error> {
    let mut text = String::new();
    File::open("/proc/kallsyms")
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| Error::Io("/proc/kallsyms".into(), error))?;
    let mut found = [(0, usize::MAX); N];
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        for (names, (at, rank)) in wanted.iter().zip(&mut found) {
            if let Some(place) = names.iter().position(|wanted| *wanted == name).filter(|place| place < rank) {
                (*at, *rank) = (u64::from_str_radix(address, 16).unwrap_or(0), place);
            }
        }
    }
    for (names, (at, _)) in wanted.iter().zip(&found) {
        if *at == 0 {
            return Err(Error::Symbol(names.join(" or ")));
        }
    }
    Ok(found.map(|(at, _)| at))
}

/// `uname -r`
pub fn release() -> Result<String, Error> {
    let path = "/proc/sys/kernel/osrelease";
    Ok(fs::read_to_string(path).map_err(|error| Error::Io(path.into(), error))?.trim().to_owned())
}
