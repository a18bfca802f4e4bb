//! What a process does to have an operation done: the system call, its arguments, and its result. The agent on a booted kernel
//! makes the call; a reproducer prints it. Numbers are those of x86-64.

/// What a process in user space does to have an operation done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserAction {
    /// By one system call.
    Call(SystemCall),
    /// By a fork: the child gets that number.
    Fork(u8),
    /// By the end of the process.
    Exit,
    /// By an access below the VMA that contains `page`, so that the VMA grows down by `pages`.
    Grow {
        /// A page of the VMA.
        page: u64,
        /// How many more.
        pages: u64,
    },
    /// By `UFFDIO_MOVE` of one page.
    UffdMove {
        /// From which page.
        from: u64,
        /// To which page.
        to: u64,
    },
    /// User space cannot do it. The text says why.
    None(&'static str),
}

/// A system call on memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemCall {
    /// Which.
    pub name: SystemCallName,
    /// In order.
    pub arguments: Vec<Argument>,
    /// If the call returns an address, the page at which it must lie; none: the call must return 0.
    pub returns: Option<u64>,
}

macro_rules! system_calls {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal),* $(,)?) => {
        /// The system calls that operations use, with their numbers.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum SystemCallName {
            $($(#[$doc])* $variant = $number),*
        }

        impl SystemCallName {
            /// As the C library calls it.
            pub fn name(self) -> &'static str {
                match self { $(SystemCallName::$variant => $name),* }
            }
        }
    };
}

system_calls! {
    /// `mmap()`
    Mmap = 9 "mmap",
    /// `mprotect()`
    Mprotect = 10 "mprotect",
    /// `munmap()`
    Munmap = 11 "munmap",
    /// `mremap()`
    Mremap = 25 "mremap",
    /// `madvise()`
    Madvise = 28 "madvise",
    /// `munlock()`
    Munlock = 150 "munlock",
    /// `mlockall()`
    Mlockall = 151 "mlockall",
    /// `munlockall()`
    Munlockall = 152 "munlockall",
    /// `mlock2()`
    Mlock2 = 325 "mlock2",
}

/// A constant of the kernel's interface: its name and its value.
pub type Constant = (&'static str, u64);

/// An argument of a system call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Argument {
    /// The address of a page of the trace.
    Address(u64),
    /// The length in bytes of so many pages.
    Length(u64),
    /// Some constants, combined with OR; an empty list is 0.
    Flags(Vec<Constant>),
    /// The descriptor of a file of the trace; none: -1.
    File(Option<u8>),
    /// The offset in a file of a page; none: 0.
    Offset(Option<u64>),
}

impl SystemCall {
    /// A call that returns 0.
    pub fn plain(name: SystemCallName, arguments: Vec<Argument>) -> UserAction {
        UserAction::Call(SystemCall { name, arguments, returns: None })
    }

    /// A call on `start..end` with one argument of constants. It returns 0.
    pub fn on_range(name: SystemCallName, start: u64, end: u64, constants: &[Constant]) -> UserAction {
        let [address, length] = range(start, end);
        Self::plain(name, vec![address, length, Argument::Flags(constants.to_vec())])
    }

    /// A call that returns the address of a page.
    pub fn returning(name: SystemCallName, arguments: Vec<Argument>, page: u64) -> UserAction {
        UserAction::Call(SystemCall { name, arguments, returns: Some(page) })
    }
}

/// `start..end` as the two arguments that most calls begin with.
pub(super) fn range(start: u64, end: u64) -> [Argument; 2] {
    [Argument::Address(start), Argument::Length(end.saturating_sub(start))]
}

/// The constants that are used, with the values of include/uapi.
pub(super) mod constants {
    use super::Constant;

    pub const PROT_READ: Constant = ("PROT_READ", 1);
    pub const PROT_WRITE: Constant = ("PROT_WRITE", 2);
    pub const MAP_PRIVATE: Constant = ("MAP_PRIVATE", 2);
    pub const MAP_ANONYMOUS: Constant = ("MAP_ANONYMOUS", 0x20);
    pub const MAP_GROWSDOWN: Constant = ("MAP_GROWSDOWN", 0x100);
    pub const MAP_NORESERVE: Constant = ("MAP_NORESERVE", 0x4000);
    pub const MAP_FIXED_NOREPLACE: Constant = ("MAP_FIXED_NOREPLACE", 0x10_0000);
    pub const MREMAP_MAYMOVE: Constant = ("MREMAP_MAYMOVE", 1);
    pub const MREMAP_FIXED: Constant = ("MREMAP_FIXED", 2);
    pub const MREMAP_DONTUNMAP: Constant = ("MREMAP_DONTUNMAP", 4);
    pub const MLOCK_ONFAULT: Constant = ("MLOCK_ONFAULT", 1);
    pub const MCL_CURRENT: Constant = ("MCL_CURRENT", 1);
    pub const MCL_ONFAULT: Constant = ("MCL_ONFAULT", 4);
    pub const MADV_DONTFORK: Constant = ("MADV_DONTFORK", 10);
    pub const MADV_DOFORK: Constant = ("MADV_DOFORK", 11);
    pub const MADV_WIPEONFORK: Constant = ("MADV_WIPEONFORK", 18);
    pub const MADV_KEEPONFORK: Constant = ("MADV_KEEPONFORK", 19);
    pub const MADV_POPULATE_READ: Constant = ("MADV_POPULATE_READ", 22);
    pub const MADV_POPULATE_WRITE: Constant = ("MADV_POPULATE_WRITE", 23);
}

#[cfg(test)]
mod tests {
    use crate::OpKind;

    use super::*;

    #[test]
    fn an_operation_is_the_system_call_that_asks_for_it() {
        let action = |text: &str| text.parse::<crate::Trace>().unwrap().ops[0].kind.user_action();
        let UserAction::Call(call) = action("move p0 1..3 8 dontunmap") else { panic!("a call") };
        assert_eq!((call.name.name(), call.returns), ("mremap", Some(8)));
        let flags = [constants::MREMAP_MAYMOVE, constants::MREMAP_FIXED, constants::MREMAP_DONTUNMAP].to_vec();
        let wanted = [
            Argument::Address(1),
            Argument::Length(2),
            Argument::Length(2),
            Argument::Flags(flags),
            Argument::Address(8),
        ];
        assert_eq!(call.arguments, wanted);
        let UserAction::Call(call) = action("mlock p0 1..3") else { panic!("a call") };
        assert_eq!((call.name.name(), call.name as u32, call.arguments.len()), ("mlock2", 325, 3));
        assert_eq!(call.arguments[2], Argument::Flags(vec![constants::MLOCK_ONFAULT]));
        let UserAction::Call(call) = action("munlock p0 1..3") else { panic!("a call") };
        assert_eq!((call.name.name(), call.name as u32, call.arguments.len()), ("munlock", 150, 2));
        assert_eq!(action("fork p0 p3"), UserAction::Fork(3));
        assert!(matches!(OpKind::Unpin { pin: 1 }.user_action(), UserAction::None(_)));
    }
}
