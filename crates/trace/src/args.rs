//! The arguments of operations: how each is written, and what it is drawn from when an operation is generated.
//! `OPERATIONS` says which operation has which arguments.

/// The arguments of any operation: the fields of a record. A field that the operation does not
/// have is 0.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Args {
    /// The process.
    pub p: u8,
    /// The second process.
    pub q: u8,
    /// The page, or the first page.
    pub a: u64,
    /// One past the last page.
    pub b: u64,
    /// The other page, or a number of pages.
    pub c: u64,
    /// Which word of the argument's list, counted from 0. If the word is optional, the count is from 1, and 0 is no word.
    pub word: u8,
    /// The number of the pin. For a file, its number plus 1, and 0 is no file.
    pub number: u8,
}

/// How an argument is written, and so in which fields of [`Args`] it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `p`, as `p3`.
    First,
    /// `q`, as `p3`.
    Second,
    /// `a`
    Page,
    /// `a..b`
    Range,
    /// `c`, a page.
    Place,
    /// `c`, a number of pages, not 0.
    Count,
    /// `word`: one of these.
    Word(&'static [&'static str]),
    /// `word`: one of these, or nothing.
    Optional(&'static [&'static str]),
    /// `number`: `file 2`, or nothing.
    File,
    /// `number`: `order 2`, or `huge`, or nothing.
    Order,
    /// `number`: of what is held, which is called so.
    Held(&'static str),
}

/// The words of new memory; [`GROWS`], [`NORESERVE`] and [`SHARED`] are their numbers.
const SORTS: &[&str] = &["grows", "noreserve", "shared"];
/// `grows`
pub(super) const GROWS: u8 = 1;
/// `noreserve`
pub(super) const NORESERVE: u8 = 2;
/// `shared`
pub(super) const SHARED: u8 = 3;

const ADVICE: &[&str] = &["dontfork", "dofork", "wipeonfork", "keeponfork"];
const MODES: &[&str] = &["locked", "trylock", "contended"];

/// One argument of an operation: what it is drawn from when an operation is made up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arg {
    /// A live process.
    Process,
    /// A live process that is not the last one, so that the trace can go on.
    Leaver,
    /// A process that does not exist.
    NewProcess,
    /// A page that is mapped in `p`.
    MappedPage,
    /// Pages of which none is mapped in `p`.
    FreeRange,
    /// Pages of which at least the first is mapped in `p`.
    MappedRange,
    /// Pages that all are mapped in `p`.
    WholeRange,
    /// Pages of one VMA of `p`, or, at times, of neighbours.
    MovedRange,
    /// Pages of one VMA of `p`, up to its end where it is to grow.
    ResizedRange,
    /// What the range is resized to.
    NewLength,
    /// Where the range is moved to: half of the time to where its page offset is at home.
    Target,
    /// A page of a VMA of `p` that can grow down.
    GrowingPage,
    /// By how much.
    Growth,
    /// A page of `p` that was written to.
    WrittenPage,
    /// The same, while there is a free pin.
    PinnedPage,
    /// A page that was written to, and is not shared since with another process.
    ExclusivePage,
    /// A page of writable anonymous memory that was not written to.
    EmptyPage,
    /// Whether new memory grows down, or is not accounted, or is shared.
    Sort,
    /// The file of new memory.
    File,
    /// Whether a fault reads: it must, where writing is not allowed.
    Read,
    /// The order of the folio that a fault may bring in.
    Order,
    /// Whether a page that is used is written to.
    Touch,
    /// Whether something ends.
    Off,
    /// What a range may be used for from now on.
    Access,
    /// What is said of a range.
    Advice,
    /// Whether what is moved stays behind, empty.
    DontUnmap,
    /// How a walk gets at the lock.
    Mode,
    /// A pin that is held.
    Pin,
    /// A page with an anonymous frame, while there is a free migration.
    MigratedPage,
    /// A migration that has begun.
    Migration,
    /// A page of shared memory that a frame is mapped at.
    SharedPage,
    /// A page that a frame is mapped at.
    PresentPage,
}

impl Arg {
    /// How it is written.
    pub(super) const fn form(self) -> Form {
        match self {
            Arg::Process | Arg::Leaver => Form::First,
            Arg::NewProcess => Form::Second,
            Arg::MappedPage
            | Arg::GrowingPage
            | Arg::WrittenPage
            | Arg::PinnedPage
            | Arg::MigratedPage
            | Arg::SharedPage
            | Arg::PresentPage
            | Arg::ExclusivePage => Form::Page,
            Arg::FreeRange | Arg::MappedRange | Arg::WholeRange | Arg::MovedRange | Arg::ResizedRange => Form::Range,
            Arg::Target | Arg::EmptyPage => Form::Place,
            Arg::NewLength | Arg::Growth => Form::Count,
            Arg::Sort => Form::Optional(SORTS),
            Arg::File => Form::File,
            Arg::Read => Form::Optional(&["read"]),
            Arg::Order => Form::Order,
            Arg::Touch => Form::Optional(&["write"]),
            Arg::Off => Form::Optional(&["off"]),
            Arg::Access => Form::Word(&["r", "rw"]),
            Arg::Advice => Form::Word(ADVICE),
            Arg::DontUnmap => Form::Optional(&["dontunmap"]),
            Arg::Mode => Form::Optional(MODES),
            Arg::Pin => Form::Held("a pin"),
            Arg::Migration => Form::Held("a migration"),
        }
    }

    /// How a person calls it.
    pub(super) fn usage(self) -> String {
        match self.form() {
            Form::First => "p".into(),
            Form::Second => "q".into(),
            Form::Page => "A".into(),
            Form::Range => "A..B".into(),
            Form::Place if self == Arg::EmptyPage => "B".into(),
            Form::Place => "C".into(),
            Form::Count => "N".into(),
            Form::Word(words) => words.join("|"),
            Form::Optional(words) => format!("[{}]", words.join("|")),
            Form::File => "[file N]".into(),
            Form::Order => "[order N|huge]".into(),
            Form::Held(_) => "K".into(),
        }
    }

    /// Whether the model driver knows the words of this argument, not only its absence.
    pub(super) const fn small(self) -> bool {
        !matches!(self, Arg::Sort | Arg::File | Arg::Read | Arg::Order)
    }
}
