//! Figures out of what the test runner and the fuzzer print.

pub mod fuzz;
pub mod progress;
pub mod tests_run;
