//! The summaries of `cargo test`, one for each binary, added up.

use std::fmt;

/// How many tests there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tests {
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
    /// Ignored by the runner.
    pub skipped: u64,
}

impl Tests {
    /// Adds up the summaries of a log. What is no summary is passed over.
    pub fn sum(log: &str) -> Tests {
        let mut sum = Tests::default();
        for line in log.lines() {
            // A runner's colours stand before it.
            let Some((_, summary)) = line.split_once("test result: ") else { continue };
            let words: Vec<&str> = summary.split_whitespace().collect();
            for pair in words.windows(2) {
                let Ok(count) = pair[0].parse::<u64>() else { continue };
                match pair[1] {
                    "passed;" => sum.passed += count,
                    "failed;" => sum.failed += count,
                    "ignored;" => sum.skipped += count,
                    _ => {}
                }
            }
        }
        sum
    }

    /// Whether tests ran and none failed.
    pub fn is_good(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Tests;

    #[test]
    fn summaries_are_added_up() {
        let log = "\
running 3 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
the line says: 7 passed; which is no summary
test result: FAILED. 40 passed; 3 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.10s
";
        let sum = Tests::sum(log);
        assert_eq!(sum.to_string(), "42 passed, 3 failed, 1 skipped");
        assert!(!sum.is_good());
    }

    #[test]
    fn a_log_without_tests_is_not_good() {
        assert!(!Tests::sum("error: could not compile\n").is_good());
        assert!(!Tests::sum("test result: ok. 0 passed; 0 failed; 0 ignored;").is_good());
        assert!(Tests::sum("test result: ok. 1 passed; 0 failed; 0 ignored;").is_good());
    }
}
