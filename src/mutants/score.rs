//! The score, and the table for people.

use std::fmt::Write as _;

use super::{Equivalents, Fate, Mode, Mutant, MutantFates};

/// How many mutants of a group one judge has found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Score {
    /// Mutants that were tried, except for the equivalent ones.
    pub of: usize,
    /// Those found.
    pub killed: usize,
    /// Those that no state can show.
    pub equivalent: usize,
    /// The median of the milliseconds until a kill.
    pub median_ms: u64,
    /// The longest time until a kill, in milliseconds.
    pub slowest_ms: u64,
}

impl Score {
    /// The score of a judge in a group.
    pub fn of(
        kernel: &str,
        mutants: &[Mutant],
        outcome: &MutantFates,
        equivalents: &Equivalents,
        group: &str,
        mode: Mode,
    ) -> Score {
        let mut score = Score::default();
        let mut times = Vec::new();
        for mutant in mutants.iter().filter(|mutant| mutant.group == group) {
            let Some(fate) = outcome.get(&(mutant.number, mode)) else { continue };
            if equivalents.reason(kernel, mutant).is_some() {
                score.equivalent += 1;
                continue;
            }
            score.of += 1;
            times.extend(fate.kill().map(|kill| kill.ms));
        }
        times.sort_unstable();
        score.killed = times.len();
        score.median_ms = times.get(times.len() / 2).copied().unwrap_or(0);
        score.slowest_ms = times.last().copied().unwrap_or(0);
        score
    }

    /// Killed, in percent of those that are not equivalent.
    pub fn percent(&self) -> f64 {
        100.0 * self.killed as f64 / self.of.max(1) as f64
    }
}

/// The table: a line a mutant, columns parted by tabs.
pub fn tsv(kernel: &str, mutants: &[Mutant], outcome: &MutantFates, equivalents: &Equivalents) -> String {
    let mut out = String::from(
        "mutant\tgroup\tplace\tfunction\toperator\tchange\tlockstep\toperations\tms\talone\toperations\tms\ttrace\n",
    );
    for mutant in mutants {
        let fate = |mode| outcome.get(&(mutant.number, mode));
        let Some(lockstep) = fate(Mode::Lockstep) else { continue };
        let cells = |fate: Option<&Fate>| match fate {
            None => "not tried\t\t".to_owned(),
            Some(Fate::Killed(kill)) => format!("{}\t{}\t{}", kill.by, kill.ops, kill.ms),
            Some(Fate::Survived { ms }) => format!("survived\t\t{ms}"),
            Some(Fate::Unreached) => "never reached\t\t".to_owned(),
        };
        let trace = match (lockstep.kill(), fate(Mode::Alone).and_then(Fate::kill)) {
            (Some(kill), _) | (None, Some(kill)) => kill.trace.trim().replace('\n', "; "),
            (None, None) => match equivalents.reason(kernel, mutant) {
                Some(reason) => format!("equivalent: {}", reason.split_whitespace().collect::<Vec<_>>().join(" ")),
                None => String::new(),
            },
        };
        let _ = writeln!(
            out,
            "{}\t{}\t{}:{}\t{}\t{}\t{}\t{}\t{}\t{}",
            mutant.number,
            mutant.group,
            mutant.file,
            mutant.line,
            mutant.function,
            mutant.operator,
            mutant.change(),
            cells(Some(lockstep)),
            cells(fate(Mode::Alone)),
            trace,
        );
    }
    out
}
