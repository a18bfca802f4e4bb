//! A run of a fuzz target: what libFuzzer logs, and what the target's processes write of their own.

use std::collections::BTreeMap;
use std::fmt;

use crate::progress;

/// What the target's processes counted, all together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// The reference that was fuzzed.
    pub kernel: Option<String>,
    /// Executions that the others belong to.
    pub executions: u64,
    /// Operations of all executions.
    pub operations: u64,
    /// Operations that the kernel refused.
    pub refused: u64,
    /// Known findings that were met, by signature.
    pub known: BTreeMap<String, u64>,
}

impl Counted {
    /// Adds what one process wrote: lines of `name=value`.
    pub fn add(&mut self, text: &str) {
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let count = || value.parse::<u64>().unwrap_or(0);
            match name {
                "kernel" if self.kernel.is_none() => self.kernel = Some(value.to_owned()),
                "executions" => self.executions += count(),
                "operations" => self.operations += count(),
                "refused" => self.refused += count(),
                "known" => {
                    if let Some((times, signature)) = value.split_once(' ') {
                        *self.known.entry(signature.to_owned()).or_default() += times.parse::<u64>().unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
    }
}

/// How many executions there were, and how many a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Executions {
    /// How many.
    pub count: u64,
    /// A second.
    pub rate: u64,
}

impl Executions {
    /// By libFuzzer's log; nothing if the target was stopped before any figure.
    pub fn read(log: &str) -> Option<Executions> {
        let last = |name: &str| {
            let mut values = log.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            values.next_back().and_then(|value| value.trim().parse::<u64>().ok())
        };
        if let Some(count) = last("stat::number_of_executed_units") {
            return Some(Executions { count, rate: last("stat::average_exec_per_sec").unwrap_or(0) });
        }
        // Where several processes share the work there are no final statistics. The rate of the last line of progress is that of
        // late, and this is that of all.
        let progress::Line { executions, seconds, .. } =
            progress::lines(log).filter(|line| line.seconds.is_some()).last()?;
        Some(Executions { count: executions, rate: executions / seconds.unwrap_or(1).max(1) })
    }
}

/// The lines that a run ends with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// By libFuzzer.
    pub executions: Executions,
    /// By the target.
    pub counted: Counted,
    /// Findings.
    pub divergences: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { executions: Executions { count, rate }, counted, divergences } = self;
        for (signature, times) in &counted.known {
            writeln!(f, "known: {signature}, met {times} times")?;
        }
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let kernel = counted.kernel.as_deref().unwrap_or("?");
        let ops_rate = share(counted.operations, counted.executions) * *rate as f64;
        let refused = 100.0 * share(counted.refused, counted.operations);
        write!(
            f,
            "fuzz: kernel={kernel} execs={count} exec/s={rate} ops/s={ops_rate:.0} refused={refused:.2}% divergences={divergences}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Executions, Summary};

    #[test]
    fn processes_are_added_up_and_the_last_statistics_count() {
        let mut counted = Counted::default();
        counted.add("kernel=6.12\nexecutions=10\noperations=100\nrefused=5\nknown=2 differ a: b=c\n");
        counted.add("kernel=6.12\nexecutions=30\noperations=300\nrefused=6\nknown=1 differ a: b=c\nknown=4 differ d\n");
        let log = "stat::number_of_executed_units: 7\nstat::number_of_executed_units: 40\nstat::average_exec_per_sec:     20\n";
        let executions = Executions::read(log).unwrap();
        assert_eq!(
            Summary { executions, counted, divergences: 1 }.to_string(),
            "known: differ a: b=c, met 3 times\nknown: differ d, met 4 times\n\
             fuzz: kernel=6.12 execs=40 exec/s=20 ops/s=200 refused=2.75% divergences=1"
        );
    }

    #[test]
    fn several_processes_have_no_final_statistics() {
        let log = "#100: cov: 5 ft: 6 corp: 1 exec/s: 90 oom/timeout/crash: 0/0/0 time: 2s job: 1\n\
                   #900: cov: 8 ft: 9 corp: 2 exec/s: 10 oom/timeout/crash: 0/0/0 time: 10s job: 2\n";
        assert_eq!(Executions::read(log), Some(Executions { count: 900, rate: 90 }));
        let at_once = log.replace("10s", "0s");
        assert_eq!(Executions::read(&at_once), Some(Executions { count: 900, rate: 900 }));
    }

    #[test]
    fn a_target_that_did_not_run_has_no_figures() {
        assert_eq!(Executions::read("error: no such target\n"), None);
        let nothing =
            Summary { executions: Executions { count: 0, rate: 0 }, counted: Counted::default(), divergences: 0 };
        assert_eq!(nothing.to_string(), "fuzz: kernel=? execs=0 exec/s=0 ops/s=0 refused=0.00% divergences=0");
    }
}
