//! What a process does to have an operation done: the system call, its arguments, and its result. The agent on a booted kernel
//! makes the call; a reproducer prints it. Numbers are the C library's.

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
    /// By `UFFDIO_REGISTER` and `UFFDIO_WRITEPROTECT`, or by `UFFDIO_UNREGISTER`.
    UffdProtect {
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
        /// Whether it ends.
        off: bool,
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

/// Which system call: its number, by the name that the C library has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemCallName {
    /// `SYS_munmap`
    pub(super) symbol: &'static str,
    /// `__NR_munmap`
    pub number: i64,
}

impl SystemCallName {
    /// The name of its function in C.
    pub fn name(self) -> &'static str {
        self.symbol.trim_start_matches("SYS_")
    }
}

/// A [`SystemCallName`], from the C library's `SYS_` symbol.
macro_rules! system_call {
    ($symbol:ident) => {
        $crate::user::SystemCallName { symbol: stringify!($symbol), number: libc::$symbol }
    };
}
pub(super) use system_call;

/// [`Constant`]s, from the C library's symbols.
macro_rules! constants {
    ($($symbol:ident),*) => {
        [$((stringify!($symbol), libc::$symbol as u64)),*]
    };
}
pub(super) use constants;

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

#[cfg(test)]
mod tests {
    use crate::OpKind;

    use super::*;

    #[test]
    fn an_operation_is_the_system_call_that_asks_for_it() {
        let action = |text: &str| text.parse::<crate::Trace>().unwrap().ops[0].kind.user_action();
        let UserAction::Call(call) = action("move p0 1..3 8 dontunmap") else { panic!("a call") };
        assert_eq!((call.name.name(), call.returns), ("mremap", Some(8)));
        let flags = [("MREMAP_MAYMOVE", 1), ("MREMAP_FIXED", 2), ("MREMAP_DONTUNMAP", 4)].to_vec();
        let wanted = [
            Argument::Address(1),
            Argument::Length(2),
            Argument::Length(2),
            Argument::Flags(flags),
            Argument::Address(8),
        ];
        assert_eq!(call.arguments, wanted);
        let UserAction::Call(call) = action("mlock p0 1..3") else { panic!("a call") };
        assert_eq!((call.name.name(), call.name.number, call.arguments.len()), ("mlock2", libc::SYS_mlock2, 3));
        assert_eq!(call.arguments[2], Argument::Flags(vec![("MLOCK_ONFAULT", 1)]));
        let UserAction::Call(call) = action("munlock p0 1..3") else { panic!("a call") };
        assert_eq!((call.name.name(), call.name.number, call.arguments.len()), ("munlock", libc::SYS_munlock, 2));
        assert_eq!(action("fork p0 p3"), UserAction::Fork(3));
        assert!(matches!(OpKind::Unpin { pin: 1 }.user_action(), UserAction::None(_)));
    }
}
