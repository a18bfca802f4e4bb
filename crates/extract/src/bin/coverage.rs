//! `coverage`: the summary of `make coverage`, by function of the kernel tree and of the port.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use rmap_extract::reached::{self, Cuts, Piece, ReachedError, Unreached};

/// What the seeds reach of the kernel's functions and of the port.
#[derive(Parser)]
#[command(name = "coverage", version)]
struct Arguments {
    /// What `llvm-cov export -format=lcov` printed.
    lcov: PathBuf,
    /// Where the extracts of the references are: a directory each, with its `pieces.json` and `pages_pieces.json`.
    #[arg(long)]
    references: PathBuf,
    /// What cannot be reached, and why.
    #[arg(long)]
    unreached: PathBuf,
    /// References of which everything that can be reached must be.
    gated: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok((text, sound)) => {
            print!("{text}");
            if sound { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("coverage: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(String, bool), ReachedError> {
    let unreached = Unreached::load(&arguments.unreached)?;
    let lcov = reached::read_file(&arguments.lcov)?;
    let counters = reached::read(&lcov, |path| std::fs::read_to_string(path).ok())?;
    let mut reports = Vec::new();
    for name in &arguments.gated {
        let dir = arguments.references.join(name);
        // A tree of which the page-table code cannot be cut has no list of it.
        let pages = dir.join("pages_pieces.json");
        let pages = if pages.exists() { pieces(&pages)? } else { Vec::new() };
        let cuts = Cuts { small: pieces(&dir.join("pieces.json"))?, pages };
        reports.push((name.clone(), reached::reference(name, &cuts, &counters, &unreached)));
    }
    Ok(reached::summary(&reports, &reached::rust("/crates/port", &counters), &unreached))
}

fn pieces(path: &Path) -> Result<Vec<Piece>, ReachedError> {
    let text = reached::read_file(path)?;
    serde_json::from_str(&text).map_err(|source| ReachedError::Pieces { path: path.to_owned(), source })
}
