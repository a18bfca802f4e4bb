//! `rmap-figures`: adds up what the test runner and the fuzzer printed, for the scripts.

use std::fs;
use std::process::ExitCode;

use rmap_figures::fuzz::{Counted, Executions, Summary};
use rmap_figures::progress;
use rmap_figures::tests_run::Tests;

const USAGE: &str = "\
usage: rmap-figures tests LOG                    the sum of the test runner's summaries; 1 if a test failed or none ran
       rmap-figures fuzz LOG STATS DIVERGENCES   the lines that a run of the fuzzer ends with; 2 if it did not run
       rmap-figures most LOG...                  the most counters that any of these runs of the fuzzer reached
       rmap-figures until PERCENT OF LOG         the executions that a run took to so many percent of OF counters; 1 if never";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&arguments).unwrap_or_else(|error| {
        eprintln!("rmap-figures: {error}");
        ExitCode::from(2)
    })
}

fn run(arguments: &[&str]) -> Result<ExitCode, String> {
    match *arguments {
        ["tests", log] => {
            let sum = Tests::sum(&read(log)?);
            println!("{sum}");
            Ok(if sum.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        ["fuzz", log, stats, divergences] => {
            let executions = Executions::read(&read(log)?).ok_or("the fuzz target did not run (see above)")?;
            let divergences = number(divergences)?;
            println!("{}", Summary { executions, counted: counted(stats)?, divergences });
            Ok(ExitCode::SUCCESS)
        }
        ["most", ref logs @ ..] => {
            let logs = logs.iter().map(|log| read(log)).collect::<Result<Vec<_>, _>>()?;
            println!("{}", progress::most(logs.iter().map(String::as_str)));
            Ok(ExitCode::SUCCESS)
        }
        ["until", percent, of, log] => match progress::until(&read(log)?, number(percent)?, number(of)?) {
            Some(executions) => {
                println!("{executions}");
                Ok(ExitCode::SUCCESS)
            }
            None => Ok(ExitCode::FAILURE),
        },
        _ => Err(format!("\n{USAGE}")),
    }
}

/// A log, whatever bytes are in it.
fn read(path: &str) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

/// What the processes of the target left in a directory, each in a file that ends with its number.
fn counted(dir: &str) -> Result<Counted, String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| format!("{dir}: {error}"))? {
        let name = entry.map_err(|error| format!("{dir}: {error}"))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(|c: char| c.is_ascii_digit()) {
            paths.push(format!("{dir}/{name}"));
        }
    }
    paths.sort();
    let mut counted = Counted::default();
    for path in paths {
        counted.add(&read(&path)?);
    }
    Ok(counted)
}
