//! The score, and the table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Equivalents, Fate, Mode, Mutant, MutantFates};

/// How many mutants of a group one judge has found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Score {
    /// Mutants that were tried, except for the equivalent ones.
    pub of: usize,
    /// Those found.
    pub killed: usize,
    /// Those of them that a section written by hand found, and no random one.
    pub by_hand: usize,
    /// Those that no state can show, or whose lines nothing reaches.
    pub equivalent: usize,
    /// The median of the milliseconds until a kill.
    pub median_ms: u64,
    /// The longest time until a kill, in milliseconds.
    pub slowest_ms: u64,
}

impl Score {
    /// The score of a judge in a group; without one, that of all its judges.
    pub fn of(
        kernel: &str,
        mutants: &[Mutant],
        outcome: &MutantFates,
        equivalents: &Equivalents,
        group: &str,
        mode: Option<Mode>,
    ) -> Score {
        let mut score = Score::default();
        let mut times = Vec::new();
        for mutant in mutants.iter().filter(|mutant| mutant.group == group) {
            let of_mode = |mode| outcome.get(&(mutant.number, mode));
            let Some(fate) = mode.map_or_else(|| fate_of(outcome, mutant), of_mode) else { continue };
            // What one judge never reaches another may.
            let best = fate_of(outcome, mutant).unwrap_or(fate);
            if equivalents.left_out(kernel, mutant, Some(best)).is_some() {
                score.equivalent += 1;
                continue;
            }
            score.of += 1;
            score.by_hand += usize::from(fate.kill().is_some_and(|kill| kill.place.is_by_hand()));
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

/// What came of a mutant by whichever of its judges found it; none if not all of them have tried.
pub fn fate_of<'o>(outcome: &'o MutantFates, mutant: &Mutant) -> Option<&'o Fate> {
    let fates = Mode::of_group(&mutant.group).map(|mode| outcome.get(&(mutant.number, mode)));
    let [one, other] = fates;
    let (one, other) = (one?, other?);
    let better = |fate: &Fate| fate.kill().is_some() || matches!(fate, Fate::Survived { .. });
    Some(match (one.kill().is_some(), better(other)) {
        (false, true) => other,
        _ => one,
    })
}

/// The table: a line a mutant, columns parted by tabs.
pub fn tsv(kernel: &str, mutants: &[Mutant], outcome: &MutantFates, equivalents: &Equivalents) -> String {
    let mut out = String::from(
        "mutant\tgroup\tplace\tfunction\toperator\tchange\tlockstep\toperations\tms\talone\toperations\tms\ttogether\t\
         operations\tms\ttrace\n",
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
        let kills = [Mode::Lockstep, Mode::Alone, Mode::Together].map(|mode| fate(mode).and_then(Fate::kill));
        let trace = match kills.into_iter().flatten().next() {
            Some(kill) => kill.trace.trim().replace('\n', "; "),
            None => match equivalents.left_out(kernel, mutant, fate_of(outcome, mutant)) {
                Some(reason) => format!("equivalent: {}", reason.split_whitespace().collect::<Vec<_>>().join(" ")),
                None => String::new(),
            },
        };
        let _ = writeln!(
            out,
            "{}\t{}\t{}:{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            mutant.number,
            mutant.group,
            mutant.file,
            mutant.line,
            mutant.function,
            mutant.operator,
            mutant.change(),
            cells(Some(lockstep)),
            cells(fate(Mode::Alone)),
            cells(fate(Mode::Together)),
            trace,
        );
    }
    out
}

/// What a table of mutants comes to, for one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Mutants that both judges tried, except the explained ones.
    pub of: usize,
    /// Killed in lockstep.
    pub lockstep: usize,
    /// Killed by the invariants alone.
    pub alone: usize,
    /// Mutants that no state can show, with a reason.
    pub explained: usize,
}

impl Tally {
    /// By group, of a table that [`tsv()`] wrote. The mutants of concurrency have another judge and are not among them.
    ///
    /// # Errors
    /// With the line that is no line of such a table.
    pub fn from_tsv(table: &str) -> Result<BTreeMap<String, Tally>, String> {
        let mut groups: BTreeMap<String, Tally> = BTreeMap::new();
        for (at, line) in table.lines().enumerate().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [_, group, _, _, _, _, lockstep, _, _, alone, _, _, _, _, _, trace] = columns[..] else {
                return Err(format!("line {}: {} columns, 16 were expected: {line}", at + 1, columns.len()));
            };
            if [lockstep, alone].contains(&"not tried") {
                continue;
            }
            let is_killed = |by: &str| !["survived", "never reached"].contains(&by);
            let tally = groups.entry(group.to_owned()).or_default();
            if trace.starts_with("equivalent: ") {
                tally.explained += 1;
                continue;
            }
            tally.of += 1;
            tally.lockstep += usize::from(is_killed(lockstep));
            tally.alone += usize::from(is_killed(alone));
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::{Kill, Place};

    #[test]
    fn a_table_is_read_back_as_it_was_written() {
        let mutant = |number, group: &str| Mutant {
            number,
            group: group.into(),
            file: "mm/rmap.c".into(),
            line: 1,
            function: "f".into(),
            operator: "drop-statement".into(),
            before: "g();".into(),
            after: String::new(),
            nth: 1,
            unreached: None,
        };
        let killed = Fate::Killed(Kill {
            by: "violate I5".into(),
            place: Place { seed: 1, round: 0, small: false, pages: false, together: false, fail_per_mille: None },
            ops: 3,
            ms: 1,
            trace: "map p0 0x0..0x1\nfault p0 0x0\n".into(),
        });
        let mutants = [mutant(1, "rmap"), mutant(2, "rmap"), mutant(3, "vma"), mutant(4, "vma")];
        let fates = [
            ((1, Mode::Lockstep), killed.clone()),
            ((1, Mode::Alone), Fate::Survived { ms: 5 }),
            ((2, Mode::Lockstep), killed.clone()),
            ((2, Mode::Alone), killed),
            ((3, Mode::Lockstep), Fate::Unreached),
            ((3, Mode::Alone), Fate::Unreached),
            ((4, Mode::Lockstep), Fate::Unreached),
        ];
        let table = tsv("6.12", &mutants, &fates.into_iter().collect(), &Equivalents::default());
        let groups = Tally::from_tsv(&table).unwrap();
        assert_eq!(groups["rmap"], Tally { of: 2, lockstep: 2, alone: 1, explained: 0 });
        // The fourth is not tried by both.
        assert_eq!(groups["vma"], Tally { of: 1, lockstep: 0, alone: 0, explained: 0 });

        let explained = table.replace("\tnot tried\t\t\t\n", "\tnot tried\t\t\tequivalent: why\n");
        assert_eq!(Tally::from_tsv(&explained).unwrap()["vma"], Tally { explained: 1, ..Tally::default() });
        assert!(Tally::from_tsv("head\n1\trmap\n").unwrap_err().starts_with("line 2: 2 columns"));
    }
}
