//! libFuzzer's lines of progress: `#1024 NEW cov: 88 ft: …`, or `#1024: cov: 88 … time: 3s …` of several processes.

/// One line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Executions until then.
    pub executions: u64,
    /// Counters that were reached until then.
    pub counters: u64,
    /// Seconds until then, where it says so.
    pub seconds: Option<u64>,
}

/// The lines of progress of a log.
pub fn lines(log: &str) -> impl Iterator<Item = Line> {
    log.lines().filter_map(|line| {
        let rest = line.strip_prefix('#')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let words: Vec<&str> = rest[digits..].split_whitespace().collect();
        let after = |name: &str| words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        Some(Line {
            executions: rest[..digits].parse().ok()?,
            counters: after("cov:")?.parse().ok()?,
            seconds: after("time:").and_then(|time| time.strip_suffix('s')?.parse().ok()),
        })
    })
}

/// The most counters that any of some runs reached.
pub fn most<'l>(logs: impl Iterator<Item = &'l str>) -> u64 {
    logs.flat_map(lines).map(|line| line.counters).max().unwrap_or(0)
}

/// How many executions a run took to reach so many percent of a number of counters, if it did.
pub fn until(log: &str, percent: u64, of: u64) -> Option<u64> {
    lines(log).find(|line| 100 * line.counters >= percent * of).map(|line| line.executions)
}

#[cfg(test)]
mod tests {
    use super::{Line, lines, most, until};

    const LOG: &str = "\
INFO: seed corpus: files: 41
#2\tINITED cov: 50 ft: 60 corp: 1/1b exec/s: 0 rss: 50Mb
#9\tpulse  corp: 2/9b
#300\tNEW    cov: 95 ft: 120 corp: 2/9b lim: 4 exec/s: 0 rss: 50Mb L: 4/4 MS: 1 Custom-
#400\tDONE   cov: 96 ft: 130 corp: 3/19b lim: 4 exec/s: 0 rss: 50Mb
";

    #[test]
    fn a_line_of_progress_has_executions_and_counters() {
        let all: Vec<Line> = lines(LOG).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[1], Line { executions: 300, counters: 95, seconds: None });
    }

    #[test]
    fn a_goal_is_a_share_of_the_most_that_any_run_reached() {
        assert_eq!(most([LOG, ""].into_iter()), 96);
        assert_eq!(most([""].into_iter()), 0);
        assert_eq!(until(LOG, 95, 100), Some(300));
        assert_eq!(until(LOG, 95, 101), Some(400));
        assert_eq!(until(LOG, 95, 200), None);
    }
}
