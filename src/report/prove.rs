//! A proof for a person, or for a program.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::{Report, text};
use crate::known::KnownFinding;
use crate::prove::{Proof, ProofKind, Shown};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const MIDDLING: Style = AnsiColor::Yellow.on_default().bold();
const QUIET: Style = Style::new().dimmed();

impl ProofKind {
    /// As a proof says it.
    pub fn name(self) -> &'static str {
        match self {
            ProofKind::Proven => "proven",
            ProofKind::Breaks => "breaks something else",
            ProofKind::NotReproduced => "not reproduced",
        }
    }
}

/// What surrounds a proof.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The name of the reference without the fix, and of that with it.
    pub names: [&'a str; 2],
    /// The file of the trace of the verdict, if it was written.
    pub file: Option<&'a str>,
    /// The file of the C program, or why there is none.
    pub program: Option<Result<&'a str, &'a str>>,
    /// Options of `run` that find the same.
    pub options: &'a [String],
    /// What is known of each of the two.
    pub known: [&'a [KnownFinding]; 2],
}

impl Circumstances<'_> {
    /// What is known of a finding of the reference of that name.
    fn headline(&self, shown: &Shown, kernel: &str) -> Option<&str> {
        let of_kernel = self.known[usize::from(kernel == self.names[1])];
        let known = of_kernel.iter().find(|known| known.signature == shown.finding.signature());
        known.map(KnownFinding::headline)
    }
}

/// The proof, with colours: a line that says it, how much was done for it, then what was found.
pub fn coloured(proof: &Proof, about: Circumstances<'_>) -> String {
    let [without, with] = about.names;
    let outcome = proof.outcome();
    let style = match outcome {
        ProofKind::Proven => GOOD,
        ProofKind::Breaks => BAD,
        ProofKind::NotReproduced => MIDDLING,
    };
    let mut out = String::new();
    let _ = writeln!(out, "{style}{without} and {with}: {}{style:#}", outcome.name());
    let Proof { fixed, broken, shared, traces, operations } = proof;
    let _ = writeln!(out, "{QUIET}{operations} operations in {traces} traces, on each{QUIET:#}");
    for signature in shared {
        let _ = writeln!(out, "without and with it: {signature}");
    }
    for (list, fails, passes) in [(broken, with, without), (fixed, without, with)] {
        for shown in list {
            let also = if shown.separates { "passes" } else { "fails in another way" };
            let (signature, times, after) = (shown.finding.signature(), times(shown), shown.after);
            let _ = writeln!(
                out,
                "fails on {fails}, {also} on {passes}: {signature} ({times}, first after {after} operations)"
            );
            if let Some(headline) = about.headline(shown, fails) {
                let _ = writeln!(out, "    known of {fails}: {headline}");
            }
        }
    }
    if let Some((shown, kernel)) = first(proof, about.names) {
        out.push('\n');
        out += &text::coloured(&report(shown, kernel, about));
    }
    match about.program {
        Some(Ok(file)) => drop(writeln!(out, "\na C program that does it on a running kernel: {file}")),
        Some(Err(why)) => drop(writeln!(out, "\nno C program: {why}")),
        None => {}
    }
    if outcome == ProofKind::NotReproduced {
        out += "\nNo trace failed on one of them alone. Try a longer --time, another --seed, `--side both` (differences from the \
                port count too), or `rmap-diff review` (differences of behaviour).\n";
    }
    out
}

/// The finding that the verdict rests on, with the reference that shows it.
pub fn first<'p>(proof: &'p Proof, [without, with]: [&'p str; 2]) -> Option<(&'p Shown, &'p str)> {
    let broken = proof.broken.first().map(|shown| (shown, with));
    broken.or_else(|| proof.fixed.first().map(|shown| (shown, without)))
}

fn times(shown: &Shown) -> String {
    if shown.count == 1 { "once".to_owned() } else { format!("{} times", shown.count) }
}

fn report<'a>(shown: &'a Shown, kernel: &'a str, about: Circumstances<'a>) -> Report<'a> {
    let report = Report::new(&shown.finding, &shown.trace, kernel).with_options(about.options);
    match about.file {
        Some(file) => report.with_file(file),
        None => report,
    }
}

/// The proof as one JSON object.
pub fn value(proof: &Proof, about: Circumstances<'_>) -> Value {
    let [without, with] = about.names;
    let list = |all: &[Shown], kernel: &str| -> Value {
        let each = all.iter().map(|shown| {
            let mut value = super::json::value(&report(shown, kernel, about));
            value["count"] = shown.count.into();
            value["separates"] = shown.separates.into();
            value["after"] = shown.after.into();
            value["known"] = about.headline(shown, kernel).into();
            value
        });
        each.collect()
    };
    let (program, no_program) = (about.program.and_then(Result::ok), about.program.and_then(Result::err));
    json!({
        "without": without, "with": with, "verdict": proof.outcome().name(),
        "fixed": list(&proof.fixed, without), "broken": list(&proof.broken, with), "shared": proof.shared,
        "traces": proof.traces, "operations": proof.operations,
        "file": about.file, "program": program, "no_program": no_program,
    })
}
