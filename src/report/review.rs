//! A review for a person, or for a program.

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::check::Invariant;
use crate::exhaust::Together;
use crate::review::{Class, Equivalence, Names, Sighting, Verdict};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const MIDDLING: Style = AnsiColor::Yellow.on_default().bold();
const QUIET: Style = Style::new().dimmed();

impl Equivalence {
    /// As a review says it.
    pub fn name(self) -> &'static str {
        match self {
            Equivalence::Equivalent => "equivalent",
            Equivalence::Except => "equivalent except for",
            Equivalence::Different => "different",
            Equivalence::Violates => "violates",
        }
    }

    /// As JSON has it: programs compare this value, so the word that it had first stays.
    pub fn json_name(self) -> &'static str {
        match self {
            Equivalence::Except => "equivalent but for",
            outcome => outcome.name(),
        }
    }
}

fn kind(class: &Class) -> Equivalence {
    match class {
        Class::Except(_) => Equivalence::Except,
        Class::Different(_) => Equivalence::Different,
        Class::Violates(..) => Equivalence::Violates,
    }
}

/// How what was seen is seen again.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// The two references.
    pub names: Names<'a>,
    /// The VMA code, as `--vma` has it.
    pub vma: &'a str,
    /// The file of each class's smallest trace, the worst first; none if none was written.
    pub traces: &'a [PathBuf],
    /// The trace that was given, and shows what was seen.
    pub given: Option<&'a str>,
    /// For each of them, the reference that shows it alone, if one does.
    pub alone: &'a [Option<&'a str>],
    /// The list of known findings that was asked for, as an option after a blank.
    pub known: &'a str,
    /// The bound of preemptions that was asked for, as an option after a blank.
    pub preemptions: &'a str,
}

/// The verdict, with colours: one line that says it, how much was done for it, then each class with its smallest trace, the worst
/// first, and how that trace is run again.
pub fn coloured(verdict: &Verdict, replay: &Replay<'_>) -> String {
    let names = replay.names;
    let mut out = String::new();
    let outcome = verdict.outcome();
    let style = match outcome {
        Equivalence::Equivalent if verdict.is_decided() => GOOD,
        Equivalence::Equivalent | Equivalence::Except => MIDDLING,
        Equivalence::Different | Equivalence::Violates => BAD,
    };
    let of_worst = verdict.seen.iter().filter(|(class, _)| kind(class) == outcome);
    let list: Vec<String> = of_worst.map(|(class, _)| in_words(class, names)).collect();
    let list = if list.is_empty() { String::new() } else { format!(" {}", list.join("; ")) };
    let Names { base, changed } = names;
    let far = if verdict.is_finished() { "" } else { ", as far as it came: NOT finished" };
    let reached = if verdict.unreached { ", but NO changed line ran" } else { "" };
    let _ = writeln!(out, "{style}{base} and {changed}: {}{list}{far}{reached}{style:#}", outcome.name());
    let _ = writeln!(out, "{QUIET}{}{QUIET:#}", work(verdict));
    for (number, (class, sighting)) in verdict.worst_first().enumerate() {
        write_class(class, sighting, names, &mut out);
        if let Some(file) = replay.traces.get(number) {
            let command = replay_command(replay, &file.display().to_string());
            let _ = writeln!(out, "  {QUIET}replay: {command}{QUIET:#}");
            if let Some(&Some(kernel)) = replay.alone.get(number) {
                let vma = replay.vma;
                let file = quoted(&file.display().to_string());
                let _ = writeln!(
                    out,
                    "  {QUIET}explain: rmap-diff run {file} --kernel {kernel} --side kernel --vma {vma}{}{QUIET:#}\n  \
                     {QUIET}(show and reproduce take the same options; without --side kernel, run and show also compare \
                     with the port, and stop at the first difference){QUIET:#}",
                    replay.known
                );
            }
        }
    }
    if replay.traces.is_empty() && verdict.worst_first().next().is_some() {
        let what = if replay.given.is_some() { "" } else { "write one of the traces above to a FILE, then " };
        let command = replay_command(replay, replay.given.unwrap_or("FILE"));
        let _ = writeln!(out, "\n{QUIET}replay: {what}{command}{QUIET:#}");
    }
    out
}

/// A class for a person: of a violation, the reference, the invariant by both its names, and what is wrong.
fn in_words(class: &Class, names: Names<'_>) -> String {
    let text = class.text(names);
    let Class::Violates(_, signature) = class else { return text };
    let Some(invariant) = Invariant::of_signature(signature) else { return text };
    let what = text.trim_start_matches("violate ").trim_start_matches(invariant.name()).trim_start();
    format!("{} ({}): {what}", invariant.name(), invariant.slug())
}

fn replay_command(replay: &Replay<'_>, file: &str) -> String {
    let Replay { names: Names { base, changed }, vma, known, preemptions, .. } = replay;
    let file = quoted(file);
    format!("rmap-diff review {base} {changed} --vma {vma}{known}{preemptions} --trace {file}")
}

pub(crate) fn quoted(file: &str) -> String {
    shlex::try_quote(file).unwrap_or_default().into_owned()
}

/// The verdict again in one line, with what the exit status means: `make` hides it.
pub fn last_line(verdict: &Verdict, Names { base, changed }: Names<'_>, status: u8) -> String {
    let outcome = verdict.outcome();
    let classes = verdict.seen.iter().filter(|(class, _)| kind(class) == outcome).count();
    let what = match outcome {
        Equivalence::Equivalent if verdict.is_decided() => "no difference was seen".to_owned(),
        Equivalence::Equivalent if verdict.is_finished() => {
            "no difference was seen, but no changed line ran".to_owned()
        }
        Equivalence::Equivalent => "no difference was seen, but a scope was not finished".to_owned(),
        Equivalence::Except if classes == 1 => "1 benign difference, named above".to_owned(),
        Equivalence::Except => format!("{classes} benign differences, named above"),
        Equivalence::Different | Equivalence::Violates if classes == 1 => "1 class, shown above".to_owned(),
        Equivalence::Different | Equivalence::Violates => {
            format!("{classes} classes, shown above: one defect may cause several")
        }
    };
    let means = if status == 0 { "" } else { ", which is the verdict and no error of the tool" };
    format!("review: {base} and {changed}: {}: {what} (exit status {status}{means})", outcome.name())
}

/// The verdict, without colours.
pub fn plain(verdict: &Verdict, replay: &Replay<'_>) -> String {
    anstream::adapter::strip_str(&coloured(verdict, replay)).to_string()
}

fn work(verdict: &Verdict) -> String {
    let mut parts = Vec::new();
    if verdict.transitions > 0 {
        let scopes: Vec<String> = verdict.scopes.iter().map(ToString::to_string).collect();
        parts.push(format!("{} operations in every sequence of {}", verdict.transitions, scopes.join(", and of ")));
    }
    if let Some(Together { tasks, preemptions, .. }) = verdict.together {
        let Verdict { sections, schedules, .. } = verdict;
        let choices = if tasks == 2 { "pairs" } else { "triples" };
        parts.push(format!(
            "{sections} {choices} of operations together, under every schedule with at most {preemptions} preemptions ({schedules})"
        ));
    }
    if verdict.random > 0 {
        parts.push(format!("{} random operations", verdict.random));
    }
    if verdict.given > 0 {
        parts.push(format!("{} operations of the trace", verdict.given));
    }
    if verdict.known != [0, 0] {
        let [base, changed] = verdict.known;
        parts.push(format!("known findings ended {base} traces of the first and {changed} of the second"));
    }
    if parts.is_empty() { "nothing was done".into() } else { parts.join("; ") }
}

fn write_class(class: &Class, sighting: &Sighting, names: Names<'_>, out: &mut String) {
    let times = if sighting.count == 1 { "once".to_owned() } else { format!("{} times", sighting.count) };
    let style = if kind(class) == Equivalence::Except { MIDDLING } else { BAD };
    let what = match class {
        Class::Except(_) => String::new(),
        Class::Different(_) => "different ".into(),
        Class::Violates(..) => "violates ".into(),
    };
    let _ = writeln!(out, "\n{style}{what}{}{style:#} ({times})", in_words(class, names));
    if let Class::Violates(_, signature) = class
        && let Some(invariant) = Invariant::of_signature(signature)
    {
        let _ = writeln!(out, "  the invariant {}: {}", invariant.name(), invariant.text());
    }
    if !sighting.detail.is_empty() {
        let _ = writeln!(out, "  {}", sighting.detail);
    }
    for line in sighting.trace.to_string().lines() {
        let _ = writeln!(out, "    {line}");
    }
}

/// The verdict as one JSON object.
pub fn value(verdict: &Verdict, names: Names<'_>) -> Value {
    let class = |(class, sighting): (&Class, &Sighting)| {
        let trace: Vec<String> = sighting.trace.to_string().lines().map(str::to_owned).collect();
        let side = match class {
            Class::Violates(which, _) => Some(which.to_string()),
            _ => None,
        };
        json!({
            "verdict": kind(class).json_name(), "class": class.text(names), "side": side, "count": sighting.count,
            "detail": sighting.detail, "trace": trace,
        })
    };
    let mut value = json!({
        "base": names.base, "changed": names.changed, "verdict": verdict.outcome().json_name(),
        "classes": verdict.seen.iter().map(class).collect::<Vec<_>>(),
        "scopes": verdict.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "finished": verdict.is_finished(), "reached": !verdict.unreached, "operations": verdict.transitions, "random_operations": verdict.random, "known": verdict.known,
    });
    if let Some(together) = verdict.together {
        value["together"] = json!({
            "tasks": together.tasks, "preemptions": together.preemptions, "sections": verdict.sections,
            "schedules": verdict.schedules,
        });
    }
    value
}
