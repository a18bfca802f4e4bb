//! A [`Listing`] in words: the phrases that pictures and dumps share, and the lines of a dump.

use std::fmt::{self, Write as _};

use super::listing::{Change, EntryRun, FolioRun, Listing, ProcessPages, SlotRun, TailRun};
use crate::rmap::LargeCounts;
use crate::trace::{Frame, MmPages, PageTotals, Slot};

/// How a thing and its number are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// `anon_vma3`, as calls and pictures name it: the number is the side's.
    Serial,
    /// `anon_vma 3`, as a dump names it: the number follows from the state.
    Canonical,
}

impl Naming {
    fn name(self, what: &str, number: impl fmt::Display) -> String {
        match self {
            Naming::Serial => format!("{what}{number}"),
            Naming::Canonical => format!("{what} {number}"),
        }
    }
}

/// `5`, or `5..8`
fn numbers((first, end): (u64, u64)) -> String {
    if end == first + 1 { first.to_string() } else { format!("{first}..{end}") }
}

/// Whether it is one, and its name then, or the name of several.
fn of_number(one: &str, several: &str, (first, end): (u64, u64)) -> String {
    format!("{} {}", if end == first + 1 { one } else { several }, numbers((first, end)))
}

impl Change {
    /// What a picture says of it, with a blank before, or nothing.
    pub fn note(self) -> &'static str {
        match self {
            Change::Kept => "",
            Change::New => " (new)",
            Change::Changed => " (changed)",
            Change::Freed => " (freed)",
        }
    }
}

impl EntryRun {
    /// `0x10`, or `0x10..0x14`
    pub fn place(&self) -> String {
        let first = self.first.page;
        if self.pages == 1 { format!("{first:#x}") } else { format!("{first:#x}..{:#x}", first + self.pages) }
    }

    /// What they lead to: `frame 5..9`.
    pub fn target(&self) -> String {
        let kind = self.first.target.kind();
        match self.frames().or(self.slots()) {
            Some(range) => format!("{kind} {}", numbers(range)),
            None => kind.to_owned(),
        }
    }

    /// The bits that they have.
    pub fn bits(&self) -> Vec<&'static str> {
        let first = &self.first;
        that_hold([
            (first.huge, "huge"),
            (first.writable, "write"),
            (first.dirty, "dirty"),
            (first.accessed, "accessed"),
            (self.exclusive, "exclusive"),
            (first.uffd, "uffd"),
            (first.soft_dirty, "soft-dirty"),
        ])
    }

    /// The large folio that they name parts of: `pages 0..2 of folio12`.
    pub fn part(&self, naming: Naming) -> Option<String> {
        let (head, (first, end)) = (self.large?, self.frames()?);
        let pages = (first - u64::from(head), end - u64::from(head));
        Some(format!("{} of {}", of_number("page", "pages", pages), naming.name("folio", head)))
    }
}

fn that_hold<const N: usize>(words: [(bool, &'static str); N]) -> Vec<&'static str> {
    words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect()
}

impl ProcessPages {
    /// What its mm counts.
    pub fn counts(&self) -> Vec<String> {
        counter_phrases(&self.counters)
    }
}

/// What an mm counts.
pub fn counter_phrases(counters: &MmPages) -> Vec<String> {
    let MmPages { anon, file, shmem, swap, table_bytes, .. } = *counters;
    let named = [("anon", anon), ("file", file), ("shmem", shmem), ("swap", swap), ("pgtables_bytes", table_bytes)];
    named.map(|(name, count)| format!("{name} {count}")).into()
}

impl FolioRun {
    /// `folio5`, or `folio5..9` of several.
    pub fn name(&self, naming: Naming) -> String {
        let first = u64::from(self.first.frame);
        naming.name("folio", numbers((first, first + self.folios)))
    }

    /// All there is to say of it, in phrases.
    pub fn phrases(&self, naming: Naming) -> Vec<String> {
        let Frame { anon, file, index, references, .. } = self.first;
        let mut phrases = Vec::new();
        phrases.extend(self.large.map(|large| format!("order {}", large.order)));
        if self.folios > 1 {
            phrases.push(format!("{} folios of one page", self.folios));
        }
        phrases.push(of_number("frame", "frames", self.frames()));
        phrases.push(match (anon, file, self.first.anon_vma) {
            (true, _, Some(anon_vma)) => format!("anon, {}", naming.name("anon_vma", anon_vma.0)),
            (true, _, None) => "anon, no live anon_vma".to_owned(),
            (false, true, _) => match self.file {
                Some(number) => format!("file {number}"),
                None => "of a file".to_owned(),
            },
            (false, false, _) => "no mapping".to_owned(),
        });
        let last = index.wrapping_add(self.folios);
        phrases.push(if self.folios > 1 {
            format!("index {index:#x}..{last:#x}")
        } else {
            format!("index {index:#x}")
        });
        phrases.push(format!("refcount {references}"));
        match &self.large {
            Some(large) => phrases.extend(large_phrases(large)),
            None => phrases.extend(self.tails.iter().flat_map(tail_phrases)),
        }
        if self.large.is_some() {
            phrases.extend(self.tails.iter().map(|run| {
                let pages = of_number("page", "pages", (run.first, run.end));
                format!("{pages} {}", tail_phrases(run).join(" "))
            }));
        }
        phrases.extend(self.flags().into_iter().map(str::to_owned));
        match self.first.pins {
            0 => {}
            1 => phrases.push("1 pin".to_owned()),
            pins => phrases.push(format!("{pins} pins")),
        }
        phrases
    }

    fn flags(&self) -> Vec<&'static str> {
        let Frame { anon, swapbacked, dirty, swapcache, locked, migrating, kept, .. } = self.first;
        that_hold([
            (swapbacked, "swapbacked"),
            (anon && !swapbacked, "lazily freed"),
            (dirty, "dirty"),
            (swapcache, "in the swap cache"),
            (locked, "locked"),
            (migrating, "migrating"),
            (kept, "kept for its failed memory"),
        ])
    }
}

fn tail_phrases(run: &TailRun) -> Vec<String> {
    let mut phrases = vec![format!("mapcount {}", run.mapcount)];
    let words = that_hold([(run.exclusive, "exclusive"), (run.poisoned, "hwpoison")]);
    phrases.extend(words.into_iter().map(str::to_owned));
    phrases
}

/// What a large folio counts.
pub fn large_phrases(large: &LargeCounts) -> Vec<String> {
    let LargeCounts { entire_mapcount, large_mapcount, pages_mapped, .. } = *large;
    let mut phrases = vec![
        format!("large_mapcount {large_mapcount}"),
        format!("entire_mapcount {entire_mapcount}"),
        format!("pages_mapped {pages_mapped:#x}"),
    ];
    // It is stored less one.
    let remembered = large.mms.iter().filter(|mm| mm.id != 0);
    phrases.extend(remembered.map(|mm| format!("mm_id p{} {}", mm.id - 1, mm.mapcount + 1)));
    let words = that_hold([
        (large.shared, "maybe shared"),
        (large.partially_mapped, "partially mapped"),
        (large.deferred, "on the deferred list"),
    ]);
    phrases.extend(words.into_iter().map(str::to_owned));
    phrases
}

impl SlotRun {
    /// `slot 5`, or `slots 5..9`.
    pub fn name(&self) -> String {
        of_number("slot", "slots", self.numbers())
    }

    /// What there is to say of it.
    pub fn phrases(&self, naming: Naming) -> Vec<String> {
        let Slot { count, cached, .. } = self.first;
        let mut phrases = vec![format!("count {count}")];
        phrases.extend(cached.map(|frame| {
            let frame = u64::from(frame);
            format!("swap cache: {}", naming.name("folio", numbers((frame, frame + self.slots))))
        }));
        phrases
    }
}

/// What is counted for all processes.
pub fn totals_phrases(totals: &PageTotals) -> Vec<String> {
    let PageTotals { frames, tables, cached, slots, anon_mapped, file_mapped, anon_thps, deferred, deferred_counted } =
        totals;
    let mut phrases = vec![
        format!("NR_ANON_MAPPED {anon_mapped}"),
        format!("NR_FILE_MAPPED {file_mapped}"),
        format!("NR_ANON_THPS {anon_thps}"),
        format!("deferred list {deferred}"),
    ];
    if deferred != deferred_counted {
        phrases.push(format!("of which it counts {deferred_counted}"));
    }
    let in_use = [("frames", frames), ("page tables", tables), ("page cache", cached), ("slots", slots)];
    phrases.extend(in_use.map(|(name, count)| format!("{name} {count}")));
    phrases
}

impl Listing {
    /// As lines of a dump, one for each thing.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_dump(&mut out);
        out
    }

    fn write_dump(&self, out: &mut String) -> fmt::Result {
        let naming = Naming::Canonical;
        for process in &self.processes {
            writeln!(out, "{} pages  {}", process.counters.mm, process.counts().join("  "))?;
            for run in process.vmas.iter().flat_map(|vma| &vma.runs) {
                let bits = run.bits().into_iter().map(str::to_owned);
                let words: Vec<String> =
                    [run.place(), run.target()].into_iter().chain(run.part(naming)).chain(bits).collect();
                writeln!(out, "  {}", words.join("  "))?;
            }
        }
        for folio in &self.folios {
            writeln!(out, "{}  {}", folio.name(naming), folio.phrases(naming).join("  "))?;
        }
        for slot in &self.slots {
            writeln!(out, "{}  {}", slot.name(), slot.phrases(naming).join("  "))?;
        }
        writeln!(out, "pages: {}", totals_phrases(&self.totals).join("  "))
    }
}
