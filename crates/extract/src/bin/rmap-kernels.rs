//! `rmap-kernels`: fills and shows the cache of kernel references. `make kernels` and `make kernel`
//! call it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rmap_extract::boot::{self, BootError};
use rmap_extract::cache::{AppliedPatch, Cache, CacheError};
use rmap_extract::debian::Wanted;
use rmap_extract::derive::{self, DeriveError};
use rmap_extract::fetch::{self, Fetched};
use rmap_extract::supply::{self, Addition, Checked, SupplyError};

/// Kernel references for rmap-diff.
#[derive(Parser)]
#[command(name = "rmap-kernels", version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fetch kernels from the distribution's linux-source packages.
    Fetch {
        /// Versions: 6.12 is that one, 7 the newest 7.x. What `derive` can make is made of what is fetched.
        #[arg(default_values = ["6.12", "7"])]
        versions: Vec<String>,
        /// Fetch again what is there already.
        #[arg(long)]
        refresh: bool,
    },
    /// Add a tree of your own.
    Add {
        /// The new reference's name.
        #[arg(long)]
        name: String,
        /// A directory, a tarball, a git repository (path or URL), or a reference of the cache (ref:NAME).
        #[arg(long)]
        tree: String,
        /// A branch, a tag or a full commit id of a git repository.
        #[arg(long)]
        rev: Option<String>,
        /// A patch, a mail message, a mailbox or a directory of patches to apply on top; repeat for more, in order.
        #[arg(long = "patch", value_name = "FILE", num_args = 1..)]
        patches: Vec<PathBuf>,
        /// The same, to take out of the tree before the patches are applied; repeat for more, in the order in which they
        /// were applied once.
        #[arg(long = "revert", value_name = "FILE", num_args = 1..)]
        reverts: Vec<PathBuf>,
        /// Replace a reference of that name even if it came from a package, or is the one that --tree names; add one that
        /// does not compile.
        #[arg(long)]
        force: bool,
        /// Do not try whether it compiles.
        #[arg(long)]
        no_compile: bool,
    },
    /// Make two references of one, NAME-without and NAME-with: without a fix and with it. If the base has the fix, it is taken
    /// out; if not, it is put on top.
    Fix {
        /// The reference to start from.
        #[arg(long)]
        base: String,
        /// The beginning of the names of the two. Default: the name of the base.
        #[arg(long)]
        name: Option<String>,
        /// The fix: patches, mail messages, mailboxes or directories of patches, in order.
        #[arg(required = true, value_name = "FILE")]
        fix: Vec<PathBuf>,
        /// Do not try whether the two compile.
        #[arg(long)]
        no_compile: bool,
    },
    /// Make sure that a reference is there: fetch it if its name is a version and it is not.
    Ensure {
        /// Its name.
        name: String,
    },
    /// Make a reference of another one by edits; without a name, say which there are.
    Derive {
        /// Its name.
        name: Option<String>,
    },
    /// Print the name of the reference that a name means: 7 is the newest 7.x.
    Resolve {
        /// Its name, or a version.
        name: String,
    },
    /// List the references of the cache.
    List,
    /// Take a reference out of the cache.
    Remove {
        /// Its name.
        name: String,
    },
    /// Bring the distribution's image of a reference's kernel, for ground truth; prints the file.
    Image {
        /// The reference's name.
        name: String,
    },
    /// Bring an emulator if the machine has none; prints the program.
    Emulator,
    /// Print the names of the default set: 6.12 and the newest 7.x, as far as they are there.
    Default,
    /// Say what would work with a tree: is it placed, does it compile, with which VMA code. Adds nothing.
    Check {
        /// A directory, a tarball, a git repository (path or URL), or a reference of the cache.
        tree: String,
        /// A branch, a tag or a full commit id of a git repository.
        #[arg(long)]
        rev: Option<String>,
        /// Patches to apply first, as for `add`.
        #[arg(long = "patch", value_name = "FILE")]
        patches: Vec<PathBuf>,
        /// Patches to take out first, as for `add`.
        #[arg(long = "revert", value_name = "FILE")]
        reverts: Vec<PathBuf>,
        /// Write the extract to this directory.
        #[arg(long)]
        write: Option<PathBuf>,
        /// List every piece that is cut, and the functions that are called and not cut.
        #[arg(long)]
        pieces: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().action) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rmap-kernels: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What an action fails with.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Supply(#[from] SupplyError),
    #[error(transparent)]
    Boot(#[from] BootError),
}

impl From<DeriveError> for Error {
    fn from(error: DeriveError) -> Error {
        Error::Supply(error.into())
    }
}

impl From<CacheError> for Error {
    fn from(error: CacheError) -> Error {
        Error::Supply(error.into())
    }
}

fn run(action: Action) -> Result<ExitCode, Error> {
    let cache = Cache::from_env()?;
    let say = &mut |text: &str| eprintln!("{text}");
    match action {
        Action::Fetch { versions, refresh } => return Ok(fetch(&cache, &versions, refresh, say)),
        Action::Add { name, tree, rev, patches, reverts, force, no_compile } => {
            let addition = Addition { name, tree, rev, patches, reverts, force, compile: !no_compile };
            let reference = supply::add(&cache, &addition, say)?;
            println!("{}: added ({}): builds from now on compile it", reference.name, reference.note.version);
        }
        Action::Fix { base, name, fix, no_compile } => {
            let name = name.as_deref().unwrap_or(&base);
            let made = supply::both_trees(&cache, &base, name, &fix, !no_compile, say)?;
            let (without, with) = (&made.without.name, &made.with.name);
            println!(
                "{}",
                match made.base_has_it {
                    true => format!(
                        "{base} has the fix: {without} is {base} with the fix taken out, {with} is {base} as it is"
                    ),
                    false =>
                        format!("{base} does not have the fix: {without} is {base} as it is, {with} has the fix on top"),
                }
            );
        }
        Action::Ensure { name } => match cache.load(&name) {
            Ok(_) => {}
            Err(CacheError::Absent { .. }) if Wanted::parse(&name).is_ok() || derive::find(&name)?.is_some() => {
                return Ok(fetch(&cache, &[name], false, say));
            }
            Err(error) => return Err(error.into()),
        },
        Action::Derive { name: Some(name) } => {
            let reference = fetch::derive(&cache, &name)?;
            println!("{}: derived ({})", reference.name, reference.note.version);
        }
        Action::Derive { name: None } => {
            for derived in derive::all()? {
                println!("{} of {}: {}", derived.name, derived.base, derived.about);
            }
        }
        Action::Resolve { name } => println!("{}", fetch::resolve(&cache, &name)?),
        Action::List => {
            for reference in cache.some_references()? {
                let note = &reference.note;
                println!("{:<12} {:<12} {}", note.name, note.version, note.origin);
                for patch in &note.patches {
                    let (sign, patch) = if patch.reverted {
                        ('-', AppliedPatch { reverted: false, ..patch.clone() })
                    } else {
                        ('+', patch.clone())
                    };
                    println!("{:<25} {sign} {patch}", "");
                }
            }
        }
        Action::Remove { name } => {
            cache.remove(&name)?;
            println!("{name}: removed");
        }
        Action::Image { name } => {
            let reference = cache.load(&name)?;
            if reference.note.package.is_none() {
                eprintln!(
                    "{name}: is not the distribution's own tree; where its reverse map differs from the image's, so will they"
                );
            }
            let image = boot::image(&cache, &reference, say)?;
            if image.note.version != image.note.wanted {
                eprintln!(
                    "{name}: the archive has no image of {} any more; the nearest of the series is {} ({})",
                    image.note.wanted, image.note.version, image.note.package
                );
            }
            println!("{}", image.file.display());
        }
        Action::Emulator => println!("{}", boot::emulator(&cache, say)?.display()),
        Action::Default => {
            for name in fetch::default_set(&cache)? {
                println!("{name}");
            }
        }
        Action::Check { tree, rev, patches, reverts, write, pieces } => {
            let addition = Addition { tree: tree.clone(), rev, patches, reverts, ..Addition::default() };
            let checked = supply::check(&cache, &addition, write.as_deref(), say)?;
            return Ok(print_checked(&tree, &checked, pieces));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a tree turns out to be, the verdict last. A tree that a build would leave out is a failure.
fn print_checked(tree: &str, checked: &Checked, pieces: bool) -> ExitCode {
    let Checked { origin, extract, trial } = checked;
    if pieces {
        for piece in &extract.pieces {
            let (first, last) = (piece.first_line, piece.last_line);
            println!("{first:>5}-{last:<5} {:<36} {:?} {}", piece.file, piece.kind, piece.symbol);
        }
        for name in &extract.open_calls {
            println!("open  {name}");
        }
    }
    println!("version   {}", extract.version);
    println!("origin    {origin}");
    println!("revision  {}", extract.revision);
    match &trial.without_pages {
        None => println!("pages     kernel"),
        Some(reason) => println!("pages     model ({reason})"),
    }
    let (verdict, code) = match (&trial.left_out, &trial.without_vma_code) {
        (Some(reason), _) => (format!("does not compile: {reason}"), ExitCode::FAILURE),
        (None, Some(reason)) => (format!("works with the model of the VMA code alone: {reason}"), ExitCode::SUCCESS),
        (None, None) => ("works with its own VMA code".to_owned(), ExitCode::SUCCESS),
    };
    println!("{tree}: {verdict}");
    code
}

fn fetch(cache: &Cache, versions: &[String], refresh: bool, say: &mut dyn FnMut(&str)) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (version, result) in fetch::fetch(cache, versions, refresh, say) {
        match result {
            Fetched::Present(reference) => {
                let note = &reference.note;
                let name = if note.name == version { String::new() } else { format!("{}, ", note.name) };
                // A reference may have the version's name, and not be the distribution's.
                let patches: String = note
                    .patches
                    .iter()
                    .map(|patch| format!(", {} {}", if patch.reverted { "without" } else { "with" }, patch.name))
                    .collect();
                println!("{version}: present ({name}{}{patches})", note.version);
            }
            Fetched::New(reference) => println!("{}: added ({})", reference.name, reference.note.version),
            Fetched::Failed(error) => {
                code = ExitCode::FAILURE;
                eprintln!("{version}: this reference is missing: {error}");
                let name = if version.contains('.') { version.clone() } else { format!("{version}.N") };
                eprintln!("{version}: to supply it by hand: make kernel NAME={name} TREE=path/to/linux");
                let there: Vec<String> =
                    cache.some_references().into_iter().flatten().map(|reference| reference.name).collect();
                if !there.is_empty() {
                    eprintln!("{version}: in the cache there is {}", there.join(", "));
                }
            }
        }
    }
    code
}
