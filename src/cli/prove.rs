//! `rmap-diff prove`: does a fix repair what it says, and break nothing?

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::random::FailRate;
use super::reproduce::Play;
use super::subject::{self, VmaOption};
use super::{AGREE, Error, FOUND, SideArg, UNDECIDED, file, print};
use crate::coverage::{self, ChangedLines};
use crate::kernel::Reference;
use crate::known::{KnownFinding, KnownFindings};
use crate::prove::{self, ProofKind, Prover};
use crate::report::{self, prove::Circumstances};
use crate::reproduce::c;
use crate::session::{Session, VmaCode};
use crate::trace::{Mix, Rng, Trace, random_trace};

/// Operations of a random trace.
const TRACE_OPS: usize = 256;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The reference without the fix, by name (`rmap-diff kernels` lists them).
    without: String,
    /// The reference with the fix.
    with: String,
    /// Run traces for this many seconds: the seed traces and those of known findings, then random ones. A proof does not end the run, because the fix may
    /// break something else.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    time: u64,
    /// Run this many random operations, instead of --time. They are the same in every run.
    #[arg(long, value_name = "N")]
    ops: Option<u64>,
    /// The same seed gives the same traces.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which side runs, on each of the two references. With `both`, a difference between the C and the port counts as a
    /// failure too. The port may not have the fix, and then the C with the fix differs from it.
    #[arg(long, value_enum, default_value_t = SideArg::Kernel)]
    side: SideArg,
    #[command(flatten)]
    fail_rate: FailRate,
    #[command(flatten)]
    vma: VmaOption,
    /// The list of known findings. All of them are reported, because the fix may be of one. `none`: no list. Default: the list
    /// that is built in (findings/known.toml).
    #[arg(long, value_name = "FILE", env = "RMAP_KNOWN")]
    known: Option<PathBuf>,
    /// Where to write the smallest trace of the verdict. The C program goes beside it, as NAME.c.
    #[arg(short, long, value_name = "FILE", default_value = "proof.trace")]
    out: PathBuf,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn sessions(&self) -> Result<[Session; 2], Error> {
        let sides = self.side.sides();
        let both = [subject::reference(Some(&self.without))?, subject::reference(Some(&self.with))?];
        let vma = VmaCode::choose(self.vma.asked(), sides, &both)?;
        // Nothing is tolerated: what is known of the tree without the fix may be what the fix repairs.
        Ok(both.map(|reference: &'static Reference| Session::new(reference).with_sides(sides).with_vma(vma)))
    }

    /// The options of `run` that find the same, a word each; it takes the side from the finding.
    fn options(&self, vma: VmaCode, is_known: bool) -> Vec<String> {
        let none = is_known.then(|| "none".to_owned());
        let file = none.or_else(|| self.known.as_ref().map(|file| file.display().to_string()));
        let known = file.map(|file| ["--known".to_owned(), file]);
        let vma = (vma != VmaCode::Pages).then(|| ["--vma".to_owned(), vma.name().to_owned()]);
        [vma, known].into_iter().flatten().flatten().collect()
    }
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    if args.side == SideArg::Port {
        return Err(Error::Usage("--side port: a fix is of the C, which would not run: use kernel or both".into()));
    }
    let sessions = args.sessions()?;
    let vma = sessions[0].vma;
    let names = [sessions[0].reference.name, sessions[1].reference.name];
    if names[0] == names[1] {
        return Err(Error::Usage(format!(
            "{} twice: name the reference without the fix, then the one with it",
            names[0]
        )));
    }
    let references = [sessions[0].reference, sessions[1].reference];
    let wrong = |error: crate::known::KnownError| Error::Usage(error.to_string());
    let all_known = KnownFindings::read(args.known.as_deref()).map_err(wrong)?;
    let mut traces = prove::seeds(vma);
    for known in &all_known.findings {
        traces.push(all_known.trace(known).map_err(wrong)?);
    }
    let mut prover = Prover::new(sessions.clone())?;
    search(args, vma, &traces, &mut prover)?;
    let proof = prover.conclude()?;
    let name = args.out.display().to_string();
    let program_file = args.out.with_extension("c");
    let program_name = program_file.display().to_string();
    let mut program = None;
    if let Some((shown, kernel)) = report::prove::first(&proof, names) {
        file::write(&args.out, shown.trace.to_file_text().as_bytes())?;
        let of_kernel = sessions.into_iter().find(|session| session.reference.name == kernel);
        let session = of_kernel.ok_or_else(|| Error::Usage(format!("no session of {kernel}")))?;
        program = Some(match c::program(&session.run(Play { trace: &shown.trace, kernel })?) {
            Ok(text) => {
                file::write(&program_file, text.as_bytes())?;
                Ok(program_name.as_str())
            }
            Err(error) => Err(error.to_string()),
        });
    }
    let known: [Vec<KnownFinding>; 2] = references.map(|reference| all_known.of(reference.name, reference.version));
    let is_known = report::prove::first(&proof, names).is_some_and(|(shown, kernel)| {
        let of_kernel = &known[usize::from(kernel == names[1])];
        of_kernel.iter().any(|known| known.signature == shown.finding.signature())
    });
    let options = args.options(vma, is_known);
    let about = Circumstances {
        names,
        file: program.is_some().then_some(name.as_str()),
        program: program.as_ref().map(|program| program.as_ref().copied().map_err(String::as_str)),
        options: &options,
        known: [&known[0], &known[1]],
    };
    let pages = vma == VmaCode::Pages;
    let changed: Vec<ChangedLines> =
        references.into_iter().filter_map(|of| coverage::changed_lines(of, pages)).collect();
    if args.json {
        let mut value = report::prove::value(&proof, about);
        value["changed_lines"] = changed.iter().map(report::coverage::value).collect();
        print(format_args!("{value:#}\n"))?;
    } else {
        let lines: String =
            changed.iter().map(|changed| format!("\n{}", report::coverage::text(changed, true))).collect();
        print(report::prove::coloured(&proof, about) + &lines)?;
    }
    Ok(match proof.outcome() {
        ProofKind::Proven => AGREE,
        ProofKind::Breaks => FOUND,
        ProofKind::NotReproduced => UNDECIDED,
    })
}

/// Plays some traces, then random ones.
fn search(args: &Args, vma: VmaCode, traces: &[Trace], prover: &mut Prover) -> Result<(), Error> {
    for trace in traces.iter().filter(|trace| vma != VmaCode::Model || trace.is_small()) {
        prover.play(trace)?;
    }
    let mixes = Mix::varied(vma.operations());
    let mut rng = Rng::new(args.seed);
    let begun = Instant::now();
    let (time, before) = (Duration::from_secs(args.time), prover.operations());
    for mix in mixes.iter().cycle() {
        let done = prover.operations() - before;
        let is_over = match args.ops {
            Some(ops) => done >= ops,
            None => begun.elapsed() >= time,
        };
        if is_over {
            break;
        }
        let mix = match args.fail_rate.per_mille() {
            Some(failing) => mix.clone().with_failing(failing),
            None => mix.clone(),
        };
        prover.play(&random_trace(&mut rng, TRACE_OPS, &mix))?;
    }
    Ok(())
}
