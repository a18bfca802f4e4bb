//! Expectations: which VMAs a process must have after an operation, and on which kernels.
//!
//! `text/expect.rs` parses their text form, and this file prints it. The code that runs a trace checks whether one holds.

use std::borrow::Cow;
use std::fmt;

use rmap_seam::{MmId, VmaAttributes};

use super::Trace;

/// The word that begins the line of an expectation.
pub(super) const KEYWORD: &str = "expect";
/// The layout of a process that has nothing mapped.
pub(super) const NOTHING: &str = "nothing";

/// All the VMAs that a process must have after an operation. In the text form it is a line below the operation, such as
/// `expect[6.16..] p0: 0x10..0x14[ro] 0x14..0x18`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Expectation {
    /// The operation after which it must hold, from 1.
    pub operation: usize,
    /// The kernel versions to which it applies. If the list is empty, it applies to every kernel.
    pub versions: Vec<Versions>,
    /// The process.
    pub mm: MmId,
    /// The VMAs, in order of address, without overlap.
    pub layout: Vec<ExpectedVma>,
}

impl Expectation {
    /// Whether it applies to a kernel of this version, such as `6.12.101` or `6.19.0-rc3`.
    pub fn is_of(&self, version: &str) -> bool {
        let version = KernelVersion::of_release(version);
        self.versions.is_empty() || self.versions.iter().any(|versions| versions.contain(version))
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KEYWORD)?;
        for (at, versions) in self.versions.iter().enumerate() {
            write!(f, "{}{versions}", if at == 0 { "[" } else { "," })?;
        }
        write!(f, "{} p{}:", if self.versions.is_empty() { "" } else { "]" }, self.mm.0)?;
        if self.layout.is_empty() {
            write!(f, " {NOTHING}")?;
        }
        self.layout.iter().try_for_each(|vma| write!(f, " {vma}"))
    }
}

impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One VMA of an expectation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ExpectedVma {
    /// First page.
    pub start: u64,
    /// One past the last page.
    pub end: u64,
    /// What the expectation says of it in addition to its range.
    pub properties: Properties,
}

impl fmt::Display for ExpectedVma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}{}", self.start, self.end, self.properties)
    }
}

/// What may be said of a VMA: a bit each, of those in [`VmaAttributes`] or of the two below.
const WORDS: [(&str, u64); 11] = [
    ("rw", VmaAttributes::WRITE),
    ("grows", VmaAttributes::GROWSDOWN),
    ("noreserve", VmaAttributes::NORESERVE),
    ("accounted", VmaAttributes::ACCOUNT),
    ("locked", VmaAttributes::LOCKED),
    ("shared", VmaAttributes::SHARED),
    ("uffd", VmaAttributes::UFFD),
    ("dontfork", VmaAttributes::DONTCOPY),
    ("wipeonfork", VmaAttributes::WIPEONFORK),
    ("file", Properties::FILE),
    ("faulted", Properties::FAULTED),
];
/// The same as `!rw`.
const READ_ONLY: &str = "ro";

/// Some properties of a VMA, each of which the VMA must have or must not have. The other properties do not matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Properties {
    /// A bit for each that something is said of.
    said: u64,
    /// What is said of it.
    value: u64,
}

impl Properties {
    /// The VMA maps a file. This is no bit of [`VmaAttributes::flags`].
    pub const FILE: u64 = 1 << 62;
    /// The VMA has an anon_vma. This is no bit of [`VmaAttributes::flags`].
    pub const FAULTED: u64 = 1 << 63;

    /// The words, each of which may have a `!` before it.
    pub fn words() -> String {
        let words = WORDS.map(|(word, _)| word).join(", ");
        format!("{READ_ONLY}, {words}")
    }

    /// These properties and the one that a word names. None if there is no such word, or if it contradicts these.
    pub fn with(self, word: &str) -> Option<Properties> {
        let (word, value) = match word.strip_prefix('!') {
            Some(word) => (word, false),
            None => (word, true),
        };
        let (word, value) = if word == READ_ONLY { (WORDS[0].0, !value) } else { (word, value) };
        let &(_, bit) = WORDS.iter().find(|(known, _)| *known == word)?;
        let both = Properties { said: self.said | bit, value: self.value | if value { bit } else { 0 } };
        (self.said & bit == 0 || both == self && (self.value & bit != 0) == value).then_some(both)
    }

    /// These properties and the `other` ones. Where both say something of a property, `other` counts.
    pub fn and(self, other: Properties) -> Properties {
        Properties { said: self.said | other.said, value: self.value & !other.said | other.value }
    }

    /// Whether a VMA with these bits has the properties as they are given here.
    pub fn hold(self, bits: u64) -> bool {
        bits & self.said == self.value
    }

    /// The same properties, each with the value that a VMA with these bits has.
    pub fn truth(self, bits: u64) -> Properties {
        Properties { value: bits & self.said, ..self }
    }
}

impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "[";
        for (word, bit) in WORDS.iter().filter(|(_, bit)| self.said & bit != 0) {
            match (*bit, self.value & bit != 0) {
                (VmaAttributes::WRITE, false) => write!(f, "{separator}{READ_ONLY}")?,
                (_, false) => write!(f, "{separator}!{word}")?,
                (_, true) => write!(f, "{separator}{word}")?,
            }
            separator = ",";
        }
        f.write_str(if self.said == 0 { "" } else { "]" })
    }
}

/// Some versions of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Versions {
    /// The versions that begin with these numbers: `7.` or `7.3`.
    Prefix(KernelVersion),
    /// From the first one on, up to and not including the second one: `6.16..7.1`, `6.16..`, `..6.16`.
    Range(Option<KernelVersion>, Option<KernelVersion>),
}

impl Versions {
    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Versions> {
        let end = |text: &str| match text {
            "" => Some(None),
            text => KernelVersion::parse(text).map(Some),
        };
        match text.split_once("..") {
            None => KernelVersion::parse(text.strip_suffix('.').unwrap_or(text)).map(Versions::Prefix),
            Some(("", "")) => None,
            Some((from, until)) => Some(Versions::Range(end(from)?, end(until)?)),
        }
    }

    /// Whether this version is one of them.
    pub fn contain(&self, version: KernelVersion) -> bool {
        match self {
            Versions::Prefix(prefix) => version.numbers[..prefix.count] == prefix.numbers[..prefix.count],
            Versions::Range(from, until) => {
                from.is_none_or(|from| from.numbers <= version.numbers)
                    && until.is_none_or(|until| version.numbers < until.numbers)
            }
        }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Versions::Prefix(prefix) => write!(f, "{prefix}{}", if prefix.count == 1 { "." } else { "" }),
            Versions::Range(from, until) => {
                from.map_or(Ok(()), |from| fmt::Display::fmt(&from, f))?;
                f.write_str("..")?;
                until.map_or(Ok(()), |until| fmt::Display::fmt(&until, f))
            }
        }
    }
}

/// The numbers of a kernel version: one to three.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KernelVersion {
    /// Zero where there is none.
    numbers: [u32; 3],
    count: usize,
}

impl KernelVersion {
    /// One to three numbers with dots between them.
    pub fn parse(text: &str) -> Option<KernelVersion> {
        let mut version = KernelVersion { numbers: [0; 3], count: 0 };
        for part in text.split('.') {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            *version.numbers.get_mut(version.count)? = part.parse().ok().filter(|_| plain)?;
            version.count += 1;
        }
        Some(version)
    }

    /// The numbers that a release begins with: `6.19.0-rc3` is 6.19.0.
    pub fn of_release(release: &str) -> KernelVersion {
        let end = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
        let mut version = KernelVersion { numbers: [0; 3], count: 3 };
        for (number, part) in version.numbers.iter_mut().zip(release[..end].split('.')) {
            *number = part.parse().unwrap_or(0);
        }
        version
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.numbers[..self.count].iter().map(u32::to_string);
        f.write_str(&numbers.collect::<Vec<_>>().join("."))
    }
}

impl Trace {
    /// The expectations that must hold after an operation; the first operation is 1.
    pub fn expectations_after(&self, operation: usize) -> &[Expectation] {
        let from = self.expectations.partition_point(|expectation| expectation.operation < operation);
        let rest = &self.expectations[from..];
        &rest[..rest.partition_point(|expectation| expectation.operation == operation)]
    }

    /// The first so many operations, with the expectations after each of them.
    pub fn first(&self, operations: usize) -> Trace {
        let to = self.expectations.partition_point(|expectation| expectation.operation <= operations);
        let sections = self.sections.iter().filter(|section| section.range().end <= operations);
        Trace {
            ops: self.ops[..operations].to_vec(),
            expectations: self.expectations[..to].to_vec(),
            sections: sections.cloned().collect(),
        }
    }

    /// The same trace, with only the expectations that apply to a kernel of this version.
    pub fn of_version(&self, version: &str) -> Cow<'_, Trace> {
        if self.expectations.iter().all(|expectation| expectation.is_of(version)) {
            return Cow::Borrowed(self);
        }
        let mut trace = self.clone();
        trace.expectations.retain(|expectation| expectation.is_of(version));
        Cow::Owned(trace)
    }
}

#[cfg(test)]
mod tests;
