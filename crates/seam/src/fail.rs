//! Which allocation attempts of one operation fail (`fail=` in a trace).

use std::fmt;
use std::str::FromStr;

/// Which allocation attempts of one operation fail. Attempts count from 1, across all caches,
/// in the order in which they are made. A number without an attempt has no effect.
/// It has the layout of `struct rmap_fail` in csrc/rmap_abi.h.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Fail {
    /// Attempts that fail, ascending; 0 marks an unused place, and unused places come last.
    list: [u16; Fail::MAX],
    /// This attempt and every later one fail; 0: none.
    from: u16,
}

/// Why numbers do not make a [`Fail`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailError {
    /// More numbers than fit.
    #[error("at most {max} single attempts in one fail= list (write N+ for N and all later)", max = Fail::MAX)]
    TooMany,
    /// Not ascending, or below 1.
    #[error("attempts count from 1 and must ascend")]
    Order,
    /// Not a number, or above 65535.
    #[error("expected an attempt number from 1 to 65535, a list 1,3 or 2+ for the 2nd and all later")]
    Number,
}

impl Fail {
    /// How many single attempts one operation can name.
    pub const MAX: usize = crate::abi::RMAP_FAIL_MAX as usize;

    /// Nothing fails.
    pub const NEVER: Fail = Fail { list: [0; Fail::MAX], from: 0 };

    /// Only the nth attempt fails.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn nth(n: u16) -> Fail {
        Fail::new(&[n], None).expect("attempts count from 1")
    }

    /// The attempts of `list` fail, and so do attempt `from` and every later one.
    pub fn new(list: &[u16], from: Option<u16>) -> Result<Fail, FailError> {
        if list.len() > Fail::MAX {
            return Err(FailError::TooMany);
        }
        let mut fail = Fail::NEVER;
        let mut last = 0;
        for (place, &n) in fail.list.iter_mut().zip(list) {
            if n <= last {
                return Err(FailError::Order);
            }
            *place = n;
            last = n;
        }
        if let Some(n) = from {
            if n <= last {
                return Err(FailError::Order);
            }
            fail.from = n;
        }
        Ok(fail)
    }

    /// Whether attempt `n` (from 1) fails.
    pub fn fails(&self, n: u32) -> bool {
        (self.from != 0 && n >= u32::from(self.from)) || self.list.iter().any(|&f| u32::from(f) == n && n != 0)
    }

    /// Whether nothing fails.
    pub fn is_never(&self) -> bool {
        *self == Fail::NEVER
    }

    /// The single attempts, ascending.
    pub fn list(&self) -> impl Iterator<Item = u16> + '_ {
        self.list.iter().copied().take_while(|&n| n != 0)
    }

    /// The attempt from which all fail.
    pub fn from(&self) -> Option<u16> {
        (self.from != 0).then_some(self.from)
    }
}

/// The text in a trace after `fail=`: `1,3`, `2+` or `1,4+`; empty for [`Fail::NEVER`].
impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for n in self.list() {
            write!(f, "{comma}{n}")?;
            comma = ",";
        }
        if let Some(n) = self.from() {
            write!(f, "{comma}{n}+")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fail={self}")
    }
}

impl FromStr for Fail {
    type Err = FailError;

    fn from_str(text: &str) -> Result<Fail, FailError> {
        let number = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
            true => part.parse::<u16>().map_err(|_| FailError::Number),
            false => Err(FailError::Number),
        };
        let mut list = Vec::new();
        let mut from = None;
        for part in text.split(',') {
            if from.is_some() {
                return Err(FailError::Order);
            }
            match part.strip_suffix('+') {
                Some(n) => {
                    from = Some(number(n)?).map(|n| if n == 0 { Err(FailError::Order) } else { Ok(n) }).transpose()?
                }
                None => list.push(number(part)?),
            }
        }
        Fail::new(&list, from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["1", "1,3", "2+", "1,4+", "1,2,3,4,5+", "65535"] {
            assert_eq!(text.parse::<Fail>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "0", "3,1", "1,1", "2+,3", "x", "-1", "+1", "1,", "65536", "1,2,3,4,5", "0+"] {
            assert!(text.parse::<Fail>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn fails_what_it_says() {
        let fail: Fail = "2,5+".parse().unwrap();
        let failing: Vec<u32> = (0..8).filter(|&n| fail.fails(n)).collect();
        assert_eq!(failing, [2, 5, 6, 7]);
        assert!((0..100).all(|n| !Fail::NEVER.fails(n)));
    }
}
